"""Reads the metrics endpoints of all pods of the gateway: no Prometheus is needed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from bot.clients.failures import cause_of
from bot.metrics.exposition import ServiceLabels, counts, totals
from bot.metrics.responses import body_of
from bot.model.environment import EnvironmentKey
from bot.model.errors import Unavailable
from bot.model.rollout import Backend, Counts

_SECONDS = 5.0
_MOST_PODS = 100

T = TypeVar("T")


class GatewayMetrics:
    """`url` is the endpoint of every pod to which its host resolves, such as that of a headless Service."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Without a proxy: the pods are in the bot's own network.
        self._http = httpx.AsyncClient(trust_env=False, timeout=_SECONDS, follow_redirects=False)

    async def __aenter__(self) -> GatewayMetrics:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def pods(self) -> int:
        """How many pods answer. Raises Unavailable if one of them does not."""
        return len(await self._read(len))

    async def read(self, namespace: str, backends: Sequence[Backend]) -> Mapping[str, Counts]:
        """The counters of requests to these Services by pod of the gateway and by label.

        A label can appear and vanish when a route changes: added up, the counters would go back.
        Raises Unavailable if one of the pods does not answer: its requests would be missing.
        """
        services = ServiceLabels({(namespace, backend): True for backend in backends})
        read = await self._read(lambda text: counts(text, services))
        return {
            f"{pod} {label}": counted for pod, of_pod in read.items() for label, counted in of_pod.items()
        }

    async def requests(
        self, routes: Mapping[EnvironmentKey, tuple[str, Sequence[Backend]]]
    ) -> Mapping[EnvironmentKey, Mapping[str, int]]:
        """The numbers of requests of environments by pod; `routes` are their namespaces and Services.

        Raises Unavailable like `read`.
        """
        services = ServiceLabels(
            {
                (namespace, backend): key
                for key, (namespace, backends) in routes.items()
                for backend in backends
            }
        )
        read = await self._read(lambda text: totals(text, services))
        return {key: {source: of_pod.get(key, 0) for source, of_pod in read.items()} for key in routes}

    async def _read(self, parse: Callable[[str], T]) -> Mapping[str, T]:
        """What a function reads in the metrics of each pod, in a thread, since they are long."""
        addresses = await self._addresses()
        texts = await asyncio.gather(*(self._text(address) for address in addresses))
        try:
            read = [await asyncio.to_thread(parse, text) for text in texts]
        except ValueError as error:
            raise Unavailable(f"The gateway's metrics cannot be read: {error}.") from None
        return dict(zip(addresses, read, strict=True))

    async def _addresses(self) -> list[str]:
        parts = urlsplit(self._url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            loop = asyncio.get_running_loop()
            resolved = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Unavailable(f"The host of the gateway's metrics cannot be resolved: {error}.") from None
        addresses = sorted({str(address[4][0]) for address in resolved})
        return addresses[:_MOST_PODS]

    async def _text(self, address: str) -> str:
        parts = urlsplit(self._url)
        host = f"[{address}]" if ":" in address else address
        port = f":{parts.port}" if parts.port else ""
        url = parts._replace(netloc=f"{host}{port}").geturl()
        request = self._http.build_request(
            "GET", url, headers={"Host": parts.netloc}, extensions={"sni_hostname": parts.hostname or ""}
        )
        try:
            response = await self._http.send(request, stream=True)
            try:
                return await _body(response, address)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            cause = cause_of(url, error)
            raise Unavailable(f"The gateway's metrics at {address} cannot be read: {cause}.") from None


async def _body(response: httpx.Response, address: str) -> str:
    if response.status_code != httpx.codes.OK:
        raise Unavailable(f"The gateway's metrics at {address} answer with status {response.status_code}.")
    try:
        return (await body_of(response)).decode(errors="replace")
    except ValueError as error:
        raise Unavailable(f"The gateway's metrics at {address} cannot be read: {error}.") from None
