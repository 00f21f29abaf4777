"""Finds previews that wait though it is their turn: a cap was raised, or they were not woken."""

from __future__ import annotations

from bot.model.quota import Admission, Candidate, Caps, queue_position
from bot.model.work import WorkKey
from bot.sweeps.ports import STANDING, EnvironmentFinder, WorkEnqueuer
from bot.sweeps.telemetry import SweepTelemetry


async def wake_queued_previews(
    environments: EnvironmentFinder, queue: WorkEnqueuer, caps: Caps, telemetry: SweepTelemetry
) -> None:
    """Whoever leaves a place wakes the queue at once; this is only for what that does not see."""
    standing = [each for each in await environments.find(states=STANDING) if each.requested_at is not None]
    candidates = [
        Candidate(
            str(each.key),
            each.key.repository_id,
            each.attempt.pull_request.author if each.attempt.pull_request else "",
            each.requested_at,
            each.admission,
        )
        for each in standing
        if each.admission is not Admission.NONE and each.requested_at is not None
    ]
    due = [
        each.key
        for each in standing
        if each.admission is Admission.QUEUED and queue_position(str(each.key), candidates, caps) is None
    ]
    await queue.enqueue(map(WorkKey.environment, due))
    telemetry.swept("queue", len(due))
