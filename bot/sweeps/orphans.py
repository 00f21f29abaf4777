"""Finds namespaces without an environment, and environments whose namespace is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.model.delivery import Hint
from bot.model.environment import Environment, EnvironmentKey, EnvironmentKind, EnvironmentState
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import Cluster, OwnedNamespace, Store
from bot.sweeps.telemetry import Telemetry

_ENDED = (EnvironmentState.GONE, EnvironmentState.REFUSED)


async def orphans(cluster: Cluster, store: Store, limit: int, telemetry: Telemetry) -> None:
    """A worker reads the pull request before anything is deleted: a namespace alone is no evidence."""
    namespaces = await cluster.owned_namespaces()
    known: dict[EnvironmentKey, Environment] = {}
    for repository_id in {namespace.environment.repository_id for namespace in namespaces}:
        known |= {environment.key: environment for environment in await store.environments(repository_id)}
    standing = {environment.key: environment for environment in await store.environments()}
    leaked = within_limit("orphans", without_environment(namespaces, known), limit, telemetry)
    hints = [*leaked, *without_namespace(namespaces, standing)]
    await store.hint(hints)
    telemetry.swept("orphans", len(hints))


def without_environment(
    namespaces: Sequence[OwnedNamespace], known: Mapping[EnvironmentKey, Environment]
) -> list[Hint]:
    """Namespaces that the store does not know, or believes gone."""
    return [
        Hint(namespace.repository, int(namespace.environment.name), None, open=None)
        for namespace in namespaces
        if namespace.environment.kind is EnvironmentKind.PREVIEW
        and not namespace.terminating
        and (
            namespace.environment not in known
            or known[namespace.environment].status.state in _ENDED
            or known[namespace.environment].namespace != namespace.name
        )
    ]


def without_namespace(
    namespaces: Sequence[OwnedNamespace], standing: Mapping[EnvironmentKey, Environment]
) -> list[Hint]:
    """Previews that the store believes to be up, but whose namespace somebody deleted."""
    names = {namespace.name for namespace in namespaces}
    return [
        Hint(environment.repository, int(environment.key.name), None, open=None)
        for environment in standing.values()
        if environment.key.kind is EnvironmentKind.PREVIEW
        and environment.status.state is EnvironmentState.READY
        and environment.namespace not in names
    ]
