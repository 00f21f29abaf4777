"""Enqueues the comparison of each stage and demo with what was deployed there, spread over the interval."""

from __future__ import annotations

from datetime import timedelta

from bot.model.environment import EnvironmentKind
from bot.model.work import WorkKey
from bot.sweeps.ports import STANDING, EnvironmentSummaries, SweepTelemetry, WorkEnqueuer


async def sweep_drift(
    environments: EnvironmentSummaries, queue: WorkEnqueuer, interval: timedelta, telemetry: SweepTelemetry
) -> None:
    summaries = await environments.summaries(STANDING)
    keys = [
        WorkKey.drift(summary.key) for summary in summaries if summary.key.kind is not EnvironmentKind.PREVIEW
    ]
    if keys:
        await queue.enqueue(keys, spacing=interval / len(keys))
    telemetry.swept("drift", len(keys))
