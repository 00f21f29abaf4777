"""Finds Deployments that look alive on GitHub though their preview is gone."""

from __future__ import annotations

import structlog

from bot.model.delivery import PullRequestHint
from bot.model.environment import EnvironmentKind
from bot.model.errors import Rejected
from bot.sweeps.ports import STANDING, Deliveries, DeploymentLister, Environments, RepositoryLister
from bot.sweeps.telemetry import Telemetry

log = structlog.get_logger()


async def deployments(
    installations: RepositoryLister,
    deployment_lister: DeploymentLister,
    environments: Environments,
    deliveries: Deliveries,
    telemetry: Telemetry,
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
    await deliveries.hint(hints)
    telemetry.swept("deployments", len(hints))
