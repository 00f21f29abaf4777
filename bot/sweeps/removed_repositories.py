"""Finds previews of repositories that the App has lost: deleted, taken out of it, uninstalled."""

from __future__ import annotations

from datetime import datetime

from bot.environments.desired_state import REMOVAL_GRACE_PERIOD
from bot.model.delivery import PullRequestHint
from bot.model.environment import EnvironmentKind
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import STANDING, DeliveryRecords, EnvironmentFinder
from bot.sweeps.telemetry import SweepTelemetry


async def sweep_removed_repositories(
    environments: EnvironmentFinder,
    deliveries: DeliveryRecords,
    now: datetime,
    limit: int,
    telemetry: SweepTelemetry,
) -> None:
    """A signed delivery told of it a while ago. The worker asks GitHub before it takes anything away."""
    found = await environments.find(states=STANDING, lost_before=now - REMOVAL_GRACE_PERIOD)
    previews = [each for each in found if each.key.kind is EnvironmentKind.PREVIEW]
    removals = within_limit("lost", previews, limit, telemetry)
    await deliveries.apply_hints(
        [PullRequestHint(each.repository, int(each.key.name), None, open=None) for each in removals]
    )
    telemetry.swept("lost", len(removals))
