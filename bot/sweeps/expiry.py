"""Finds expired previews, and previews that expire soon."""

from __future__ import annotations

from datetime import datetime

from bot.environments.expiry import MAX_WARNING_PERIOD
from bot.model.environment import Environment
from bot.model.work import WorkKey
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import STANDING, EnvironmentFinder, SweepTelemetry, WorkEnqueuer


async def sweep_expired(
    environments: EnvironmentFinder, queue: WorkEnqueuer, now: datetime, limit: int, telemetry: SweepTelemetry
) -> None:
    """A worker checks the expiry again before it deletes anything."""
    expired = await environments.find(states=STANDING, expires_before=now)
    removals = within_limit("expiry", expired, limit, telemetry)
    await queue.enqueue([WorkKey.environment(environment.key) for environment in removals])
    telemetry.swept("expiry", len(removals))


async def sweep_expiry_warnings(
    environments: EnvironmentFinder, queue: WorkEnqueuer, now: datetime, telemetry: SweepTelemetry
) -> None:
    """A worker announces the expiry on the pull request."""
    soon = await environments.find(states=STANDING, expires_before=now + MAX_WARNING_PERIOD)
    due = [WorkKey.environment(environment.key) for environment in soon if needs_warning(environment, now)]
    await queue.enqueue(due)
    telemetry.swept("warnings", len(due))


def needs_warning(environment: Environment, now: datetime) -> bool:
    status = environment.status
    return status.warn_at is not None and now >= status.warn_at and not status.expiring and status.end is None
