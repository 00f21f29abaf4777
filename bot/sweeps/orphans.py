"""Finds namespaces without an environment, duplicate namespaces, and environments without a namespace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from bot.model.delivery import PullRequestHint
from bot.model.environment import (
    DEFAULT_CLUSTER,
    RUNNING,
    EnvironmentKey,
    EnvironmentKind,
)
from bot.model.environment_summary import EnvironmentSummary
from bot.model.errors import GreenroomError
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

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OrphanPorts:
    clusters: Mapping[str, NamespaceLister]
    """Listers by name of the cluster."""
    adopt: Callable[[Sequence[OwnedNamespace]], Awaitable[None]]
    """Continues environments whose namespace is newer than their record."""
    environments: EnvironmentSummaries
    deliveries: DeliveryRecords
    queue: WorkEnqueuer


async def sweep_orphans(ports: OrphanPorts, limit: int, telemetry: SweepTelemetry) -> None:
    """A worker reads the pull request before it deletes anything: a namespace alone proves nothing."""
    namespaces, listed = await _list(ports.clusters)
    await ports.adopt(namespaces)
    present = {namespace.environment for namespace in namespaces}
    summaries = await ports.environments.summaries(STANDING, present)
    default = next(iter(ports.clusters))
    environments = {
        environment.key: replace(environment, cluster=environment.cluster or default)
        for environment in summaries
    }
    orphans = [
        *without_environment(namespaces, environments),
        *duplicate_namespaces(namespaces, environments),
    ]
    removals = within_limit("orphans", orphans, limit, telemetry)
    hints = [removal for removal in removals if isinstance(removal, PullRequestHint)] + without_namespace(
        namespaces, environments, listed
    )
    keys = [removal for removal in removals if isinstance(removal, WorkKey)]
    await ports.deliveries.apply_hints(hints)
    await ports.queue.enqueue(keys)
    telemetry.swept("orphans", len(hints) + len(keys))


async def _list(clusters: Mapping[str, NamespaceLister]) -> tuple[list[OwnedNamespace], Collection[str]]:
    """The namespaces of all clusters that answer, and the names of these clusters."""
    answers = await asyncio.gather(
        *(cluster.owned_namespaces() for cluster in clusters.values()), return_exceptions=True
    )
    namespaces: list[OwnedNamespace] = []
    listed = set()
    for name, answer in zip(clusters, answers, strict=True):
        if isinstance(answer, GreenroomError) and len(clusters) > 1:
            log.warning("cluster left out of the sweep", cluster=name, reason=str(answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            namespaces += answer
            listed.add(name)
    return namespaces, listed


def without_environment(
    namespaces: Sequence[OwnedNamespace], environments: Mapping[EnvironmentKey, EnvironmentSummary]
) -> list[PullRequestHint]:
    """Namespaces whose environment is missing or deleted in the store."""
    return [
        PullRequestHint(namespace.repository, int(namespace.environment.name), None, open=None)
        for namespace in namespaces
        if namespace.environment.kind is EnvironmentKind.PREVIEW
        and not namespace.terminating
        and _is_without(namespace, environments.get(namespace.environment))
    ]


def _is_without(namespace: OwnedNamespace, environment: EnvironmentSummary | None) -> bool:
    return environment is None or (
        environment.state not in STANDING and environment.cluster == namespace.cluster
    )


def duplicate_namespaces(
    namespaces: Sequence[OwnedNamespace], environments: Mapping[EnvironmentKey, EnvironmentSummary]
) -> list[WorkKey]:
    """Namespaces under an older name or on another cluster.

    They were left when a store was lost and the repository renamed or the preview opened elsewhere.
    """
    return [
        WorkKey.namespace(namespace.cluster, namespace.name)
        for namespace in namespaces
        if namespace.environment.kind is EnvironmentKind.PREVIEW
        and not namespace.terminating
        and (environment := environments.get(namespace.environment)) is not None
        and (environment.cluster, environment.namespace) != (namespace.cluster, namespace.name)
    ]


def without_namespace(
    namespaces: Sequence[OwnedNamespace],
    environments: Mapping[EnvironmentKey, EnvironmentSummary],
    listed: Collection[str] = (DEFAULT_CLUSTER,),
) -> list[PullRequestHint]:
    """Ready previews whose namespace was deleted, on the clusters that were listed."""
    names = {(namespace.cluster, namespace.name) for namespace in namespaces}
    return [
        PullRequestHint(environment.repository, int(environment.key.name), None, open=None)
        for environment in environments.values()
        if environment.key.kind is EnvironmentKind.PREVIEW
        and environment.state in RUNNING
        and environment.cluster in listed
        and (environment.cluster, environment.namespace) not in names
    ]
