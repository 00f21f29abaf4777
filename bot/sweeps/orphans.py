"""Finds namespaces without an environment, and environments whose namespace is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.model.delivery import Hint
from bot.model.environment import Environment, EnvironmentKey, EnvironmentKind, EnvironmentState
from bot.model.manifest import OwnedNamespace
from bot.sweeps.breaker import within_limit
from bot.sweeps.ports import STANDING, Cluster, Deliveries, Environments
from bot.sweeps.telemetry import Telemetry


async def orphans(
    cluster: Cluster, environments: Environments, deliveries: Deliveries, limit: int, telemetry: Telemetry
) -> None:
    """A worker reads the pull request before anything is deleted: a namespace alone is no evidence."""
    namespaces = await cluster.owned_namespaces()
    known = {environment.key: environment for environment in await environments.find()}
    leaked = within_limit("orphans", without_environment(namespaces, known), limit, telemetry)
    hints = [*leaked, *without_namespace(namespaces, known)]
    await deliveries.hint(hints)
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
            or known[namespace.environment].status.state not in STANDING
            or known[namespace.environment].namespace != namespace.name
        )
    ]


def without_namespace(
    namespaces: Sequence[OwnedNamespace], known: Mapping[EnvironmentKey, Environment]
) -> list[Hint]:
    """Previews that the store believes to be up, but whose namespace somebody deleted."""
    names = {namespace.name for namespace in namespaces}
    return [
        Hint(environment.repository, int(environment.key.name), None, open=None)
        for environment in known.values()
        if environment.key.kind is EnvironmentKind.PREVIEW
        and environment.status.state is EnvironmentState.READY
        and environment.namespace not in names
    ]
