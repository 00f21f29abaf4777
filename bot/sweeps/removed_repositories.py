"""Finds previews of repositories that were deleted or removed from the App."""

from __future__ import annotations

from datetime import datetime

from bot.environments.desired_state import REMOVAL_GRACE_PERIOD
from bot.model.delivery import PullRequestHint
from bot.model.environment import EnvironmentKind
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import STANDING, DeliveryRecords, EnvironmentFinder, SweepTelemetry


async def sweep_removed_repositories(
    environments: EnvironmentFinder,
    deliveries: DeliveryRecords,
    now: datetime,
    limit: int,
    telemetry: SweepTelemetry,
) -> None:
    """Starts from signed deliveries; a worker asks GitHub before it deletes anything."""
    affected = await environments.find(states=STANDING, lost_before=now - REMOVAL_GRACE_PERIOD)
    previews = [environment for environment in affected if environment.key.kind is EnvironmentKind.PREVIEW]
    removals = within_limit("lost", previews, limit, telemetry)
    await deliveries.apply_hints(
        [
            PullRequestHint(environment.repository, int(environment.key.name), None, open=None)
            for environment in removals
        ]
    )
    telemetry.swept("lost", len(removals))
