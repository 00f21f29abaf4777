"""Finds previews whose time is up."""

from __future__ import annotations

from datetime import datetime

from bot.model.work import WorkKey
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import Store
from bot.sweeps.telemetry import Telemetry


async def expiry(store: Store, now: datetime, limit: int, telemetry: Telemetry) -> None:
    """The worker compares the deadline again before it takes anything away."""
    keys = within_limit("expiry", await store.expired(now), limit, telemetry)
    await store.enqueue([WorkKey.environment(key) for key in keys])
    telemetry.swept("expiry", len(keys))
