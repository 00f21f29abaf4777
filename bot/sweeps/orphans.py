"""Finds namespaces without an environment, duplicate namespaces, and environments without a namespace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.model.delivery import PullRequestHint
from bot.model.environment import RUNNING, EnvironmentKey, EnvironmentKind, EnvironmentSummary
from bot.model.manifest import OwnedNamespace
from bot.model.work import WorkKey
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import (
    STANDING,
    DeliveryRecords,
    EnvironmentSummaries,
    NamespaceLister,
    SweepTelemetry,
    WorkEnqueuer,
)


@dataclass(frozen=True, slots=True)
class OrphanPorts:
    namespaces: NamespaceLister
    adopt: Callable[[Sequence[OwnedNamespace]], Awaitable[None]]
    """Continues environments whose namespace is newer than their record."""
    environments: EnvironmentSummaries
    deliveries: DeliveryRecords
    queue: WorkEnqueuer


async def sweep_orphans(ports: OrphanPorts, limit: int, telemetry: SweepTelemetry) -> None:
    """A worker reads the pull request before it deletes anything: a namespace alone proves nothing."""
    namespaces = await ports.namespaces.owned_namespaces()
    await ports.adopt(namespaces)
    present = {namespace.environment for namespace in namespaces}
    summaries = await ports.environments.summaries(STANDING, present)
    environments = {environment.key: environment for environment in summaries}
    orphans = [
        *without_environment(namespaces, environments),
        *duplicate_namespaces(namespaces, environments),
    ]
    removals = within_limit("orphans", orphans, limit, telemetry)
    hints = [removal for removal in removals if isinstance(removal, PullRequestHint)] + without_namespace(
        namespaces, environments
    )
    keys = [removal for removal in removals if isinstance(removal, WorkKey)]
    await ports.deliveries.apply_hints(hints)
    await ports.queue.enqueue(keys)
    telemetry.swept("orphans", len(hints) + len(keys))


def without_environment(
    namespaces: Sequence[OwnedNamespace], environments: Mapping[EnvironmentKey, EnvironmentSummary]
) -> list[PullRequestHint]:
    """Namespaces whose environment is missing or deleted in the store."""
    return [
        PullRequestHint(namespace.repository, int(namespace.environment.name), None, open=None)
        for namespace in namespaces
        if namespace.environment.kind is EnvironmentKind.PREVIEW
        and not namespace.terminating
        and (
            namespace.environment not in environments
            or environments[namespace.environment].state not in STANDING
        )
    ]


def duplicate_namespaces(
    namespaces: Sequence[OwnedNamespace], environments: Mapping[EnvironmentKey, EnvironmentSummary]
) -> list[WorkKey]:
    """Namespaces under an older name, left when a store was lost and the repository renamed."""
    return [
        WorkKey.namespace(namespace.name)
        for namespace in namespaces
        if namespace.environment.kind is EnvironmentKind.PREVIEW
        and not namespace.terminating
        and namespace.environment in environments
        and environments[namespace.environment].namespace != namespace.name
    ]


def without_namespace(
    namespaces: Sequence[OwnedNamespace], environments: Mapping[EnvironmentKey, EnvironmentSummary]
) -> list[PullRequestHint]:
    """Ready previews whose namespace was deleted."""
    names = {namespace.name for namespace in namespaces}
    return [
        PullRequestHint(environment.repository, int(environment.key.name), None, open=None)
        for environment in environments.values()
        if environment.key.kind is EnvironmentKind.PREVIEW
        and environment.state in RUNNING
        and environment.namespace not in names
    ]
