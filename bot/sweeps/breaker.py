"""Stops a sweep that would take away more than an ordinary day's worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import structlog

from bot.sweeps.telemetry import SweepTelemetry

log = structlog.get_logger()

Item = TypeVar("Item")


def within_limit(
    sweep: str, removals: Sequence[Item], limit: int, telemetry: SweepTelemetry
) -> Sequence[Item]:
    """All of the removals, or none of them when there are more than `limit`."""
    if len(removals) <= limit:
        return removals
    log.error(
        "the sweep stopped before it would take away more than the limit; look into it, and raise "
        "GREENROOM_MAX_DELETIONS_PER_SWEEP if this is right",
        sweep=sweep,
        removals=len(removals),
        limit=limit,
    )
    telemetry.breaker_tripped(sweep)
    return ()
