"""Wakes previews that wait for a slot although one is free: after a raised cap or a lost wake-up."""

from __future__ import annotations

from bot.model.quota import Admission, Candidate, Caps, queue_position
from bot.model.work import WorkKey
from bot.sweeps.ports import STANDING, EnvironmentFinder, SweepTelemetry, WorkEnqueuer


async def wake_queued_previews(
    environments: EnvironmentFinder, queue: WorkEnqueuer, caps: Caps, telemetry: SweepTelemetry
) -> None:
    """A released slot wakes the queue at once; this covers what that misses."""
    standing = [
        environment
        for environment in await environments.find(states=STANDING)
        if environment.requested_at is not None
    ]
    candidates = [
        Candidate(
            str(environment.key),
            environment.key.repository_id,
            environment.attempt.pull_request.author if environment.attempt.pull_request else "",
            environment.requested_at,
            environment.admission,
        )
        for environment in standing
        if environment.admission is not Admission.NONE and environment.requested_at is not None
    ]
    due = [
        environment.key
        for environment in standing
        if environment.admission is Admission.QUEUED
        and queue_position(str(environment.key), candidates, caps) is None
    ]
    await queue.enqueue(map(WorkKey.environment, due))
    telemetry.swept("queue", len(due))
