"""Wakes previews that wait for a slot although one is free: after a raised cap or a lost wake-up."""

from __future__ import annotations

from bot.model.environment import EnvironmentKey
from bot.model.quota import Caps, queue_positions
from bot.model.work import WorkKey
from bot.sweeps.ports import CandidateReader, SweepTelemetry, WorkEnqueuer


async def wake_queued_previews(
    environments: CandidateReader, queue: WorkEnqueuer, caps: Caps, telemetry: SweepTelemetry
) -> None:
    """A released slot wakes the queue at once; this covers what that misses."""
    positions = queue_positions(await environments.candidates(), caps)
    due = [EnvironmentKey.parse(key) for key, position in positions.items() if position is None]
    await queue.enqueue(map(WorkKey.environment, due))
    telemetry.swept("queue", len(due))
