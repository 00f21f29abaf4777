"""Finds previews whose time is up."""

from __future__ import annotations

from datetime import datetime

from bot.model.work import WorkKey
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import STANDING, Environments, Queue
from bot.sweeps.telemetry import Telemetry


async def expiry(
    environments: Environments, queue: Queue, now: datetime, limit: int, telemetry: Telemetry
) -> None:
    """The worker compares the deadline again before it takes anything away."""
    expired = await environments.find(states=STANDING, expires_before=now)
    removals = within_limit("expiry", expired, limit, telemetry)
    await queue.enqueue([WorkKey.environment(environment.key) for environment in removals])
    telemetry.swept("expiry", len(removals))
