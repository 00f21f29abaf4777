"""HTTP requests to the API server, with the credentials and limits of the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import ConfigException

from bot.clients.reachability import Reachability
from bot.cluster.client.sockets import Sockets
from bot.model.errors import Unavailable

CONNECT_SECONDS = 5
TOTAL_SECONDS = 15
LOST = (aiohttp.ClientError, TimeoutError, OSError)
"""Errors of a request without an answer."""
_OF_PROXY = (502, 503, 504)
"""Statuses of a load balancer without an API server, and of one that starts or stops."""


class ApiTelemetry(Protocol):
    def cluster_call(self, method: str, status: int | None) -> None:
        """Counts a call; `status` is None when there was no answer."""


class NoApiTelemetry:
    """Counts nothing."""

    def cluster_call(self, method: str, status: int | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]


class RequestTransport(Protocol):
    """What a client of the API needs."""

    @property
    def url(self) -> str: ...

    @property
    def user_agent(self) -> str: ...

    async def close(self) -> None: ...

    async def exchange(
        self, method: str, url: str, body: object = None, content: str = "application/json"
    ) -> Answer:
        """The whole answer, whatever its status. Raises Unavailable when there is none."""

    async def open(
        self,
        method: str,
        url: str,
        limits: aiohttp.ClientTimeout,
        body: object = None,
        content: str = "application/json",
    ) -> Any:
        """The response before its body is read. Raises Unavailable or the errors in `LOST`."""


class Transport:
    def __init__(
        self, client: ApiClient, sockets: Sockets, telemetry: ApiTelemetry, service: str = "Kubernetes"
    ) -> None:
        self._client = client
        self._sockets = sockets
        self._telemetry = telemetry
        self._reachability = Reachability(service)

    @property
    def url(self) -> str:
        return str(self._client.configuration.host)

    @property
    def user_agent(self) -> str:
        return str(self._client.user_agent)

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]  # the library has no types here
        await self._sockets.close()

    async def exchange(
        self, method: str, url: str, body: object = None, content: str = "application/json"
    ) -> Answer:
        """The whole answer, whatever its status. Raises Unavailable when there is none."""
        limits = aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS)
        try:
            response = await self.open(method, url, limits, body, content)
            return Answer(response.status, await response.read(), response.headers)
        except LOST as error:
            raise Unavailable(f"The cluster's API server does not answer: {describe(error)}") from None

    async def open(
        self,
        method: str,
        url: str,
        limits: aiohttp.ClientTimeout,
        body: object = None,
        content: str = "application/json",
    ) -> Any:
        """The response before its body is read. Raises the errors in `LOST`."""
        try:
            _, address, headers, _, _ = await self._client.param_serialize(
                method, url, header_params={"Content-Type": content}, auth_settings=["BearerToken"]
            )
        except (ConfigException, OSError) as error:
            raise Unavailable(f"Greenroom's credentials for the cluster cannot be read: {error}") from None
        try:
            response = await self._client.call_api(
                method, address, header_params=headers, body=body, _request_timeout=limits
            )
        except LOST as error:
            self._telemetry.cluster_call(method, None)
            self._reachability.failed(describe(error))
            raise
        self._telemetry.cluster_call(method, response.status)
        if response.status in _OF_PROXY:
            self._reachability.failed(f"status {response.status}")
        else:
            self._reachability.answered()
        return response


def abort(response: aiohttp.ClientResponse) -> None:
    """Ends a stream without TLS's closing handshake, which would outlive the client."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


def describe(error: BaseException) -> str:
    return str(error) or (
        "the request timed out" if isinstance(error, TimeoutError) else type(error).__name__
    )
