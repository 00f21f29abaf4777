"""Requests to one of several clusters: each has its own connection, circuit breaker and credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from bot.clients.circuit import Circuit
from bot.cluster.client.transport import LOST, Answer, Transport, describe
from bot.model.errors import GreenroomError, Unavailable

_UNAUTHORIZED = 401
Dial = Callable[[], Awaitable[Transport]]
"""Reads the kubeconfig and connects; raises a GreenroomError when its content is invalid."""


class NamedTransport:
    """Connects with the first request, so that a start does not depend on it.

    Credentials that the cluster refuses are read again. A cluster that does not answer gets one request at
    intervals; all others fail at once, and occupy no worker.
    """

    def __init__(self, name: str, user_agent: str, dial: Dial, changed: Callable[[bool], None]) -> None:
        self._name = name
        self._user_agent = user_agent
        self._dial = dial
        self._circuit = Circuit(changed)
        self._transport: Transport | None = None
        self._dialing = asyncio.Lock()

    @property
    def url(self) -> str:
        return self._transport.url if self._transport is not None else f"the cluster {self._name}"

    @property
    def user_agent(self) -> str:
        return self._user_agent

    @property
    def problem(self) -> str:
        """Why the cluster cannot be reached; "" when it answers."""
        return self._message(self._circuit.reason) if self._circuit.is_open else ""

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.close()

    async def exchange(
        self, method: str, url: str, body: object = None, content: str = "application/json"
    ) -> Answer:
        """The whole answer, whatever its status. Raises Unavailable when there is none."""
        if pause := self._circuit.pause():
            raise Unavailable(self.problem, datetime.now(UTC) + timedelta(seconds=pause))

        async def send(transport: Transport) -> Answer:
            return await transport.exchange(method, url, body, content)

        answer: Answer = await self._send(send)
        return answer

    async def open(
        self,
        method: str,
        url: str,
        limits: aiohttp.ClientTimeout,
        body: object = None,
        content: str = "application/json",
    ) -> Any:
        """The response before its body is read. Passes an open circuit, since watches pause on their own."""

        async def send(transport: Transport) -> Any:
            return await transport.open(method, url, limits, body, content)

        return await self._send(send)

    async def _send(self, send: Callable[[Transport], Awaitable[Any]]) -> Any:
        try:
            transport = await self._connected()
            answer = await send(transport)
            if answer.status == _UNAUTHORIZED:
                answer = await send(await self._connected(instead_of=transport))
        except (GreenroomError, *LOST) as error:
            reason = describe(error).rstrip(".")
            self._circuit.failed(reason)
            raise Unavailable(self._message(reason), getattr(error, "retry_at", None)) from None
        if answer.status == _UNAUTHORIZED:
            reason = "it refuses Greenroom's credentials, which are invalid or have expired"
            self._circuit.failed(reason)
            raise Unavailable(self._message(reason))
        self._circuit.answered()
        return answer

    async def _connected(self, instead_of: Transport | None = None) -> Transport:
        """Requests that run at the same time share a new connection."""
        async with self._dialing:
            if self._transport is None or self._transport is instead_of:
                new = await self._dial()
                old, self._transport = self._transport, new
                if old is not None:
                    await old.close()
            return self._transport

    def _message(self, reason: str) -> str:
        return f"The cluster {self._name} cannot be used: {reason}."


class ClosedTransport:
    """Refuses all requests while `problem` gives a reason; without `transport`, always."""

    def __init__(self, user_agent: str, problem: Callable[[], str], transport: NamedTransport | None) -> None:
        self._user_agent = user_agent
        self._problem = problem
        self._transport = transport

    @property
    def url(self) -> str:
        return self._transport.url if self._transport is not None else ""

    @property
    def user_agent(self) -> str:
        return self._user_agent

    async def close(self) -> None:
        """The owner of the transport closes it."""

    async def exchange(
        self, method: str, url: str, body: object = None, content: str = "application/json"
    ) -> Answer:
        return await self._require().exchange(method, url, body, content)

    async def open(
        self,
        method: str,
        url: str,
        limits: aiohttp.ClientTimeout,
        body: object = None,
        content: str = "application/json",
    ) -> Any:
        return await self._require().open(method, url, limits, body, content)

    def _require(self) -> NamedTransport:
        problem = self._problem()
        if problem or self._transport is None:
            raise Unavailable(problem)
        return self._transport
