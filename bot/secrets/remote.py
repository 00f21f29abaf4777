"""A secret manager behind a network: keeps answers for seconds, and pauses requests during an outage."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from cachetools import TTLCache

from bot.clients.reachability import Reachability
from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository
from bot.model.secret import SecretValue

_KEEP_SECONDS = 10
"""The runs of one deployment read a secret several times. A rotated value is seen after this time."""
_KEPT = 1024
_FAILURES = 3
_PAUSE_SECONDS = 15


class Provider(Protocol):
    async def read(self, path: str, repository: Repository) -> SecretValue: ...


class SecretTelemetry(Protocol):
    def secret_read(self, provider: str, outcome: str) -> None:
        """Counts a request to a provider; outcome: `read`, `rejected` or `unavailable`."""


class RemoteSecrets:
    """Reads through the provider. Values are in memory only, each for one reference and repository."""

    def __init__(
        self,
        name: str,
        provider: Provider,
        telemetry: SecretTelemetry,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._provider = provider
        self._telemetry = telemetry
        self._monotonic = monotonic
        self._reachability = Reachability(f"secrets: {name}")
        self._kept: TTLCache[tuple[str, str], SecretValue] = TTLCache(_KEPT, _KEEP_SECONDS, monotonic)
        self._failures = 0
        self._closed_until = 0.0
        self._outage = ""

    async def read(self, path: str, repository: Repository) -> SecretValue:
        key = (path, repository.full_name.lower())
        if (value := self._kept.get(key)) is not None:
            return value
        if self._monotonic() < self._closed_until:
            raise Unavailable(self._outage)
        try:
            value = await self._provider.read(path, repository)
        except Unavailable as error:
            self._count_failure(error)
            raise
        except Rejected:
            self._telemetry.secret_read(self._name, "rejected")
            raise
        self._telemetry.secret_read(self._name, "read")
        self._reachability.answered()
        self._failures = 0
        self._kept[key] = value
        return value

    def _count_failure(self, error: Unavailable) -> None:
        self._telemetry.secret_read(self._name, "unavailable")
        self._reachability.failed(error)
        self._failures += 1
        if self._failures >= _FAILURES:
            self._outage = str(error)
            self._closed_until = self._monotonic() + _PAUSE_SECONDS
