"""Finds Deployments that look alive on GitHub though their preview is gone."""

from __future__ import annotations

import structlog

from bot.model.delivery import PullRequestHint
from bot.model.environment import EnvironmentKind
from bot.model.errors import Rejected
from bot.sweeps.ports import STANDING, DeliveryRecords, DeploymentLister, EnvironmentFinder, RepositoryLister
from bot.sweeps.telemetry import SweepTelemetry

log = structlog.get_logger()


async def sweep_stale_deployments(
    installations: RepositoryLister,
    deployment_lister: DeploymentLister,
    environments: EnvironmentFinder,
    deliveries: DeliveryRecords,
    telemetry: SweepTelemetry,
) -> None:
    """The worker reads the pull request, and ends them if nothing is wanted."""
    hints = []
    for repository in await installations.repositories():
        known = await environments.find(repository_id=repository.id, states=STANDING)
        standing = {int(each.key.name) for each in known if each.key.kind is EnvironmentKind.PREVIEW}
        try:
            active = await deployment_lister.active_deployments(repository, standing)
        except Rejected as error:
            log.warning("Deployments cannot be read", repository=repository.full_name, reason=str(error))
            continue
        hints += [PullRequestHint(repository, number, None, open=None) for number in sorted(active)]
    await deliveries.apply_hints(hints)
    telemetry.swept("deployments", len(hints))
