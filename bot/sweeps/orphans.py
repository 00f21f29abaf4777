"""Finds namespaces without an environment, or of one that has another, and environments without theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.model.delivery import PullRequestHint
from bot.model.environment import Environment, EnvironmentKey, EnvironmentKind, EnvironmentState
from bot.model.manifest import OwnedNamespace
from bot.model.work import WorkKey
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import STANDING, DeliveryRecords, EnvironmentFinder, NamespaceLister, WorkEnqueuer
from bot.sweeps.telemetry import SweepTelemetry


@dataclass(frozen=True, slots=True)
class OrphanPorts:
    namespaces: NamespaceLister
    environments: EnvironmentFinder
    deliveries: DeliveryRecords
    queue: WorkEnqueuer


async def sweep_orphans(ports: OrphanPorts, limit: int, telemetry: SweepTelemetry) -> None:
    """A worker reads the pull request before anything is deleted: a namespace alone is no evidence."""
    namespaces = await ports.namespaces.owned_namespaces()
    environments = {environment.key: environment for environment in await ports.environments.find()}
    found = [*without_environment(namespaces, environments), *duplicate_namespaces(namespaces, environments)]
    removals = within_limit("orphans", found, limit, telemetry)
    hints = [each for each in removals if isinstance(each, PullRequestHint)] + without_namespace(
        namespaces, environments
    )
    keys = [each for each in removals if isinstance(each, WorkKey)]
    await ports.deliveries.apply_hints(hints)
    await ports.queue.enqueue(keys)
    telemetry.swept("orphans", len(hints) + len(keys))


def without_environment(
    namespaces: Sequence[OwnedNamespace], environments: Mapping[EnvironmentKey, Environment]
) -> list[PullRequestHint]:
    """Namespaces that the store does not know, or believes gone."""
    return [
        PullRequestHint(namespace.repository, int(namespace.environment.name), None, open=None)
        for namespace in namespaces
        if namespace.environment.kind is EnvironmentKind.PREVIEW
        and not namespace.terminating
        and (
            namespace.environment not in environments
            or environments[namespace.environment].status.state not in STANDING
        )
    ]


def duplicate_namespaces(
    namespaces: Sequence[OwnedNamespace], environments: Mapping[EnvironmentKey, Environment]
) -> list[WorkKey]:
    """Those that were left under an older name: the store was lost, and the repository renamed."""
    return [
        WorkKey.namespace(namespace.name)
        for namespace in namespaces
        if namespace.environment.kind is EnvironmentKind.PREVIEW
        and not namespace.terminating
        and namespace.environment in environments
        and environments[namespace.environment].namespace != namespace.name
    ]


def without_namespace(
    namespaces: Sequence[OwnedNamespace], environments: Mapping[EnvironmentKey, Environment]
) -> list[PullRequestHint]:
    """Previews that the store believes to be up, but whose namespace somebody deleted."""
    names = {namespace.name for namespace in namespaces}
    return [
        PullRequestHint(environment.repository, int(environment.key.name), None, open=None)
        for environment in environments.values()
        if environment.key.kind is EnvironmentKind.PREVIEW
        and environment.status.state is EnvironmentState.READY
        and environment.namespace not in names
    ]
