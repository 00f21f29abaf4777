"""Requests through the gateway, as browsers and gRPC clients send them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import TracebackType

import httpx

from bot.clients.failures import failure_of, no_connection
from bot.clients.proxies import Proxies
from bot.clients.transport import ProxyTransport
from bot.clients.trust import untrusted
from bot.model.manifest import RELEASE_HEADER, Answer
from bot.model.plain_text import plain_text
from bot.settings import Domain

_LIMIT = timedelta(seconds=5)
_CONNECT_SECONDS = 2.0
_CONNECTIONS = 100
"""More than the workers open side by side."""
_BODY = 4096
_LOOPBACK = "127.0.0.1"
_GRPC = "application/grpc"
_EMPTY_MESSAGE = bytes(5)
"""Uncompressed, of length 0."""


class HttpGateway:
    """Sends requests to hosts of a domain.

    `address` (HOST:PORT) is connected to instead of the host, for domains that the bot cannot resolve, and
    without a proxy; the Host header and TLS name remain the environment's. `ca_file` contains certificates in
    PEM.
    """

    def __init__(
        self,
        domain: Domain,
        address: str | None = None,
        ca_file: str | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self._domain = domain
        self._address = address
        trust = ssl.create_default_context(cafile=ca_file) if domain.scheme == "https" else False
        # A bare transport: no cookies or redirects. Each request has its own connection, so that consecutive
        # requests can reach different replicas.
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=0)
        chosen = Proxies() if address else proxies or Proxies.from_environment()
        self._http = ProxyTransport(chosen, trust, limits)
        self._new_http2 = partial(ProxyTransport, chosen, trust, limits, http2=True)
        self._http2: ProxyTransport | None = None

    async def __aenter__(self) -> HttpGateway:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()
        if self._http2 is not None:
            await self._http2.aclose()

    def host(self, label: str) -> str:
        return f"{label}.{self._domain.host}"

    def address(self, host: str) -> str:
        """HOST:PORT to which requests for the host are sent."""
        port = self._domain.port or (443 if self._domain.scheme == "https" else 80)
        return self._address or f"{_loopback(host) or host}:{port}"

    def url(self, host: str) -> str:
        return f"{self._domain.scheme}://{host}{self._domain.suffix}"

    async def get(
        self, host: str, path: str, *, limit: timedelta = _LIMIT, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A GET within the limit and at most 4 kB of the body. Never raises; see `Answer.error`."""
        sent = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close", **(headers or {})}
        return await self._answer(self._http, "GET", host, path, sent, limit)

    async def call(
        self, host: str, path: str, *, limit: timedelta = _LIMIT, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One gRPC call with an empty message. A reply of any gRPC status is an answer, also "unimplemented".

        `path` is that of a route, which may lack the method.
        """
        service, _, method = path.strip("/").partition("/")
        path = f"/{service or 'grpc.health.v1.Health'}/{method or 'Check'}"
        sent = {"Content-Type": _GRPC, "TE": "trailers", **(headers or {})}
        self._http2 = self._http2 or self._new_http2()
        answer = await self._answer(self._http2, "POST", host, path, sent, limit)
        if answer.status == 200 and not answer.content_type.startswith(_GRPC):
            kind = answer.content_type or "a response without a type"
            return replace(answer, status=None, error=f"{kind} instead of a gRPC reply")
        return answer

    async def _answer(
        self,
        http: ProxyTransport,
        method: str,
        host: str,
        path: str,
        headers: Mapping[str, str],
        limit: timedelta,
    ) -> Answer:
        seconds = limit.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await _send(http, self._request(method, host, path, headers, seconds))
        except (TimeoutError, httpx.TimeoutException):
            return Answer(None, error=f"no answer within {seconds:g} s", timed_out=True)
        except (httpx.ConnectError, ssl.SSLError) as error:
            problem = untrusted(host, "GREENROOM_GATEWAY_CA_FILE", error)
            problem = problem or no_connection(self.address(host), error)
            return Answer(None, error=problem, failure=failure_of(error))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            return Answer(None, error=str(error) or type(error).__name__)

    def _request(
        self, method: str, host: str, path: str, headers: Mapping[str, str], seconds: float
    ) -> httpx.Request:
        timeout = httpx.Timeout(seconds, connect=min(_CONNECT_SECONDS, seconds))
        address = self._address or f"{_loopback(host) or host}{self._domain.suffix}"
        return httpx.Request(
            method,
            f"{self._domain.scheme}://{address}{path}",
            headers={"Host": f"{host}{self._domain.suffix}", "User-Agent": "greenroom", **headers},
            content=_EMPTY_MESSAGE if method == "POST" else None,
            extensions={"sni_hostname": host, "timeout": timeout.as_dict()},
        )


async def _send(http: ProxyTransport, request: httpx.Request) -> Answer:
    response = await http.handle_async_request(request)
    try:
        body = b""
        async for chunk in response.aiter_raw(_BODY):
            body += chunk
            if len(body) >= _BODY:
                break
    finally:
        await response.aclose()
    text = plain_text(body[:_BODY].decode(errors="replace"))
    headers = response.headers
    return Answer(
        response.status_code,
        headers.get(RELEASE_HEADER),
        body=text,
        content_type=headers.get("content-type", ""),
    )


def _loopback(host: str) -> str | None:
    """The loopback address for names below `localhost` (RFC 6761), which some resolvers do not know."""
    return _LOOPBACK if host.endswith(".localhost") else None
