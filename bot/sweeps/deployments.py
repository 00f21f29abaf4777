"""Finds active Deployments on GitHub whose preview was deleted."""

from __future__ import annotations

import structlog

from bot.model.delivery import PullRequestHint
from bot.model.environment import EnvironmentKind
from bot.model.errors import Rejected
from bot.sweeps.ports import (
    STANDING,
    DeliveryRecords,
    DeploymentLister,
    EnvironmentFinder,
    RepositoryLister,
    SweepTelemetry,
)

log = structlog.get_logger()


async def sweep_stale_deployments(
    installations: RepositoryLister,
    deployment_lister: DeploymentLister,
    environments: EnvironmentFinder,
    deliveries: DeliveryRecords,
    telemetry: SweepTelemetry,
) -> None:
    """A worker reads each pull request and deactivates Deployments without a preview."""
    hints = []
    for repository in await installations.repositories():
        existing = await environments.find(repository_id=repository.id, states=STANDING)
        standing = {
            int(environment.key.name)
            for environment in existing
            if environment.key.kind is EnvironmentKind.PREVIEW
        }
        try:
            active = await deployment_lister.active_deployments(repository, standing)
        except Rejected as error:
            log.warning("deployments unreadable", repository=repository.full_name, reason=str(error))
            continue
        hints += [PullRequestHint(repository, number, None, open=None) for number in sorted(active)]
    await deliveries.apply_hints(hints)
    telemetry.swept("deployments", len(hints))
