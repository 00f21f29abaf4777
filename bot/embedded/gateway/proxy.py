"""Passes HTTP requests on to the pods behind a route."""

import logging
import time
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from bot.cluster.client.api import Object
from bot.embedded.gateway.matching import Rule, Table
from bot.embedded.gateway.metrics import BackendMetrics, service_label
from bot.embedded.node.endpoints import Address

log = logging.getLogger(__name__)

Backends = Callable[[str, Object], list[Address] | None]
"""Ready addresses behind a backend reference of a namespace; `None` when there is no such Service or port."""

_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_CONNECT_SECONDS = 5


class Proxy:
    """A handler for `aiohttp.web.Server`."""

    def __init__(self, backends: Backends, unanswered: Callable[[Address], Awaitable[bool]]) -> None:
        """`unanswered`: whether a refused connection would have been lost, after the time that it hangs."""
        self.table = Table([])
        self.metrics = BackendMetrics()
        self._backends = backends
        self._unanswered = unanswered
        self._turn = 0

    def serve(self, table: Table) -> None:
        """Uses these rules from now on."""
        self.table = table
        self.metrics.configure(
            [
                service_label(rule.route, rule.index, backend)
                for rule in table.rules
                for backend in range(len(rule.backends))
            ]
        )

    async def start(self) -> None:
        # A connection for each request: the pod behind a kept one might have been replaced.
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        )

    async def stop(self) -> None:
        await self._http.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        hostname = request.host.rsplit(":", 1)[0].rstrip(".").lower()
        rule = self.table.find(hostname, request.method, request.rel_url.raw_path, request.headers)
        if rule is None:
            action = (
                f"path {request.rel_url.raw_path} of {hostname}" if self.table.serves(hostname) else hostname
            )
            return _text(404, f"No route serves {action}.")
        chosen = rule.next_backend()
        if chosen is None:
            return _text(500, f"Route {rule.name} has no backend for this request.")
        backend, namespace = rule.backends[chosen], rule.route["metadata"]["namespace"]
        started, status = time.monotonic(), 499  # as Traefik counts a client that has disconnected
        try:
            response = await self._answer(request, rule, backend, self._backends(namespace, backend))
            status = response.status
        finally:
            service = service_label(rule.route, rule.index, chosen)
            self.metrics.answered(service, request.method, status, time.monotonic() - started)
        return response

    async def _answer(
        self, request: web.BaseRequest, rule: Rule, backend: Object, addresses: list[Address] | None
    ) -> web.StreamResponse:
        if addresses is None:
            return _text(500, f"Route {rule.name}: there is no Service {backend['name']} with that port.")
        if not addresses:
            return _text(503, f"No pod of Service {backend['name']} is ready.")
        return await self._pass_on(request, rule, backend, addresses)

    async def _pass_on(
        self, request: web.BaseRequest, rule: Rule, backend: Object, addresses: list[Address]
    ) -> web.StreamResponse:
        headers = _outgoing(request)
        _modify(headers, rule, "RequestHeaderModifier")
        body = request.content if request.body_exists else None
        self._turn += 1
        for offset in range(len(addresses)):
            host, port = addresses[(self._turn + offset) % len(addresses)]
            url = URL(f"http://{host}:{port}{request.rel_url.raw_path_qs}", encoded=True)
            try:
                async with self._http.request(
                    request.method, url, headers=headers, data=body, allow_redirects=False
                ) as answer:
                    return await _answer(request, rule, answer)
            except aiohttp.ClientConnectorError:
                if await self._unanswered((host, port)):
                    return _text(504, f"A pod of Service {backend['name']} does not answer.")
                continue  # it has just ended; nothing of the request was sent
            except aiohttp.ClientError as error:
                log.info("%s: %r", rule.name, error)
                return _text(502, f"A pod of Service {backend['name']} did not answer properly.")
        return _text(503, f"No pod of Service {backend['name']} takes connections.")


async def _answer(request: web.BaseRequest, rule: Rule, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = _without_hops(answer.headers)
    _modify(headers, rule, "ResponseHeaderModifier")
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        if request.method != "HEAD":
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
        await response.write_eof()
    except aiohttp.ClientPayloadError:
        # The status was sent already: only a broken connection can signal an incomplete body.
        if request.transport:
            request.transport.abort()
    return response


def _outgoing(request: web.BaseRequest) -> CIMultiDict[str]:
    headers = _without_hops(request.headers)
    peer = request.remote or ""
    earlier = headers.get("X-Forwarded-For")
    headers["X-Forwarded-For"] = f"{earlier}, {peer}" if earlier else peer
    headers["X-Forwarded-Host"] = request.host
    headers["X-Forwarded-Proto"] = "http"
    return headers


def _without_hops(headers: MultiMapping[str]) -> CIMultiDict[str]:
    content = CIMultiDict(headers)
    named = {name.strip().lower() for value in content.getall("Connection", []) for name in value.split(",")}
    for name in _HOP_BY_HOP | named:
        content.popall(name, None)
    return content


def _modify(headers: CIMultiDict[str], rule: Rule, kind: str) -> None:
    """Apply the rule's header filters of one kind."""
    key = kind[0].lower() + kind[1:]
    for entry in rule.filters:
        if entry["type"] != kind:
            continue
        for header in entry[key].get("set") or []:
            headers[header["name"]] = header["value"]
        for header in entry[key].get("add") or []:
            headers.add(header["name"], header["value"])
        for name in entry[key].get("remove") or []:
            headers.popall(name, None)


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")
