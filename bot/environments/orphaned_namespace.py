"""Deletes namespaces that an environment used before its current one.

The store was lost and the repository renamed since, or a stage moved to another cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

import structlog

from bot.environments.cluster_reasons import NamespaceLeft
from bot.environments.ports import Clock, EnvironmentStore, Fence
from bot.environments.reasons import Describe, NamespaceRenamed
from bot.environments.telemetry import Telemetry
from bot.model.environment import Decision, EnvironmentKey, EnvironmentKind
from bot.model.manifest import OwnedNamespace
from bot.model.work import Claim

log = structlog.get_logger()

_MINUTE = timedelta(minutes=1)


class OwnedNamespaces(Protocol):
    async def owned_namespace(self, name: str) -> OwnedNamespace | None:
        """None unless it has our label."""

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None: ...


class DecisionLog(Protocol):
    async def record(self, claim: Claim, decision: Decision) -> None:
        """Raises Superseded unless the claim is held."""


class OrphanedNamespaces:
    """The handler of `namespace:` work."""

    def __init__(
        self,
        environments: EnvironmentStore,
        journal: DecisionLog,
        enter: Callable[[str], AbstractContextManager[OwnedNamespaces]],
        clock: Clock,
        describe: Describe,
        telemetry: Telemetry,
    ) -> None:
        self._environments = environments
        self._journal = journal
        self._enter = enter
        self._clock = clock
        self._describe = describe
        self._telemetry = telemetry

    async def __call__(self, claim: Claim) -> None:
        """The evidence: our label, which names an environment whose namespace is another one.

        The namespace of a stage holds data: only the command that removes it enqueues it, after a move.
        """
        cluster, _, name = claim.key.subject.rpartition("/")  # without a cluster in work of earlier versions
        with self._enter(cluster) as namespaces:
            await self._delete(claim, namespaces, cluster, name)

    async def _delete(self, claim: Claim, namespaces: OwnedNamespaces, cluster: str, name: str) -> None:
        namespace = await namespaces.owned_namespace(name)
        if namespace is None or namespace.terminating:
            return
        environment = await self._environments.get(namespace.environment)
        if environment is None:
            return
        elsewhere = bool(cluster) and environment.cluster != cluster
        renamed = environment.namespace != name and environment.key.kind is EnvironmentKind.PREVIEW
        if not elsewhere and not renamed:
            return

        async def fence() -> None:
            await self._environments.check(claim, environment.key, environment.generation)

        now = self._clock()
        minutes = (now - environment.created_at) / _MINUTE
        reason = NamespaceLeft(name, cluster) if elsewhere else NamespaceRenamed(name, environment.namespace)
        await namespaces.delete_namespace(name, environment.key, fence)
        decision = Decision(environment.key, now, "reclaimed", self._describe(reason))
        await self._journal.record(claim, decision)
        if environment.key.kind is EnvironmentKind.PREVIEW:
            self._telemetry.leaked("renamed", minutes)
        log.info("orphaned namespace deleted", namespace=name, environment=str(environment.key))
