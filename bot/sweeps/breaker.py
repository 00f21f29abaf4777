"""Circuit breaker: stops a sweep that would delete too much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import structlog

from bot.sweeps.ports import SweepTelemetry

log = structlog.get_logger()

Item = TypeVar("Item")


def within_limit(
    sweep: str, removals: Sequence[Item], limit: int, telemetry: SweepTelemetry
) -> Sequence[Item]:
    """Returns all removals, or none when there are more than `limit`."""
    if len(removals) <= limit:
        return removals
    log.error(
        "sweep stopped: too many deletions; if they are correct, raise GREENROOM_MAX_DELETIONS_PER_SWEEP",
        sweep=sweep,
        removals=len(removals),
        limit=limit,
    )
    telemetry.breaker_tripped(sweep)
    return ()
