"""A secret manager behind a network: keeps answers for seconds, and pauses requests during an outage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar

import structlog
from cachetools import TTLCache

from bot.clients.reachability import Reachability
from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.model.repository import Repository
from bot.model.secret import DynamicReference, Lease, SecretValue

log = structlog.get_logger()

_KEEP_SECONDS = 10
"""The runs of one deployment read a secret several times. A rotated value is seen after this time."""
_KEPT = 1024
_FAILURES = 3
_PAUSE_SECONDS = 15
_LONGEST_SECONDS = 20
"""For one request with its login. A manager that answers a byte at a time never meets a limit for a pause."""

T = TypeVar("T")


class Provider(Protocol):
    async def read(self, path: str, repository: Repository) -> SecretValue: ...


class CredentialIssuer(Protocol):
    def resolve(self, path: str, repository: Repository) -> DynamicReference: ...

    async def issue(self, path: str) -> Lease: ...

    async def renew(self, lease: Lease) -> timedelta: ...

    async def revoke(self, lease: Lease) -> None: ...


class SecretTelemetry(Protocol):
    def secret_read(self, provider: str, outcome: str) -> None:
        """Counts a request to a provider; outcome: `read`, `rejected` or `unavailable`."""


class _Requests:
    """Requests to one provider: counts them, and refuses them for some seconds after several failures."""

    def __init__(self, name: str, telemetry: SecretTelemetry, monotonic: Callable[[], float]) -> None:
        self._name = name
        self._telemetry = telemetry
        self._monotonic = monotonic
        self._reachability = Reachability(f"secrets: {name}")
        self._failures = 0
        self._closed_until = 0.0
        self._outage = ""

    async def send(self, request: Callable[[], Awaitable[T]]) -> T:
        if self._monotonic() < self._closed_until:
            raise Unavailable(self._outage)
        try:
            value = await self._answer(request)
        except Unavailable as error:
            self._count_failure(error)
            raise
        except Rejected:
            self._telemetry.secret_read(self._name, "rejected")
            raise
        self._telemetry.secret_read(self._name, "read")
        self._reachability.answered()
        self._failures = 0
        return value

    async def _answer(self, request: Callable[[], Awaitable[T]]) -> T:
        """Raises Unavailable also for an answer that nothing expects: its error may quote a value."""
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                return await request()
        except GreenroomError:
            raise
        except TimeoutError:
            reason = f"the secret manager `{self._name}` does not answer within {_LONGEST_SECONDS} s"
        except Exception as error:
            log.error("unusable answer of a secret manager", provider=self._name, error=type(error).__name__)
            reason = f"the secret manager `{self._name}` gives no usable answer"
        raise Unavailable(reason)

    def _count_failure(self, error: Unavailable) -> None:
        self._telemetry.secret_read(self._name, "unavailable")
        self._reachability.failed(error)
        self._failures += 1
        if self._failures >= _FAILURES:
            self._outage = str(error)
            self._closed_until = self._monotonic() + _PAUSE_SECONDS


class RemoteSecrets:
    """Reads through the provider. Values are in memory only, each for one reference and repository."""

    def __init__(
        self,
        name: str,
        provider: Provider,
        telemetry: SecretTelemetry,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._requests = _Requests(name, telemetry, monotonic)
        self._kept: TTLCache[tuple[str, str], SecretValue] = TTLCache(_KEPT, _KEEP_SECONDS, monotonic)

    async def read(self, path: str, repository: Repository) -> SecretValue:
        key = (path, repository.full_name.lower())
        value = self._kept.get(key)
        if value is None:
            value = await self._requests.send(lambda: self._provider.read(path, repository))
            self._kept[key] = value
        return value


class RemoteCredentials:
    """Credentials through the issuer. Nothing is kept."""

    def __init__(
        self,
        name: str,
        issuer: CredentialIssuer,
        telemetry: SecretTelemetry,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._requests = _Requests(name, telemetry, monotonic)

    def resolve(self, path: str, repository: Repository) -> DynamicReference:
        return self._issuer.resolve(path, repository)

    async def issue(self, path: str) -> Lease:
        return await self._requests.send(lambda: self._issuer.issue(path))

    async def renew(self, lease: Lease) -> timedelta:
        return await self._requests.send(lambda: self._issuer.renew(lease))

    async def revoke(self, lease: Lease) -> None:
        await self._requests.send(lambda: self._issuer.revoke(lease))
