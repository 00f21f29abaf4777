"""Deletes old deliveries, commands, releases, environments, decisions and attempts from the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bot.sweeps.ports import SweepTelemetry

_KEEP_DELIVERIES = timedelta(days=7)
"""GitHub redelivers deliveries of the last three days, so their ids must be stored for longer."""
_RELEASES_PER_PURGE = 250
"""Bounds the length of the transaction; the next one deletes more."""


class Purge(Protocol):
    async def purge(self, before: datetime) -> object: ...


class ReleasePurge(Protocol):
    async def purge(self, before: datetime, limit: int) -> object: ...


class FailureLogs(Protocol):
    async def forget_failures(self, before: datetime) -> int: ...


class HistoryPurge(Protocol):
    async def purge_environments(self, before: datetime) -> int: ...

    async def purge_decisions(self, before: datetime) -> int: ...

    async def purge_attempts(self, before: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class HousekeepingPorts:
    deliveries: Purge
    commands: Purge
    releases: ReleasePurge
    history: HistoryPurge
    attempts: FailureLogs


@dataclass(frozen=True, slots=True)
class Retention:
    history: timedelta
    failure_logs: timedelta


async def sweep_history(
    ports: HousekeepingPorts, now: datetime, retention: Retention, telemetry: SweepTelemetry
) -> None:
    await ports.deliveries.purge(now - _KEEP_DELIVERIES)
    await ports.commands.purge(now - _KEEP_DELIVERIES)
    await ports.releases.purge(now - retention.history, _RELEASES_PER_PURGE)
    await ports.history.purge_environments(now - retention.history)
    await ports.history.purge_decisions(now - retention.history)
    await ports.history.purge_attempts(now - retention.history)
    await ports.attempts.forget_failures(now - retention.failure_logs)
    telemetry.swept("housekeeping", 0)
