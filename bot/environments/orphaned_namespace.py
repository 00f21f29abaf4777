"""Deletes namespaces that an environment used before its present one: the store was lost, and the repository
was renamed since."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import structlog

from bot.environments.ports import Clock, EnvironmentStore, Fence, Telemetry
from bot.environments.reasons import Describe, NamespaceRenamed
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
        namespaces: OwnedNamespaces,
        clock: Clock,
        describe: Describe,
        telemetry: Telemetry,
    ) -> None:
        self._environments = environments
        self._journal = journal
        self._namespaces = namespaces
        self._clock = clock
        self._describe = describe
        self._telemetry = telemetry

    async def __call__(self, claim: Claim) -> None:
        """The evidence: our label, which names an environment whose namespace is another one."""
        name = claim.key.subject
        namespace = await self._namespaces.owned_namespace(name)
        if namespace is None or namespace.terminating:
            return
        environment = await self._environments.get(namespace.environment)
        preview = namespace.environment.kind is EnvironmentKind.PREVIEW
        if environment is None or environment.namespace == name or not preview:
            return

        async def fence() -> None:
            await self._environments.check(claim, environment.key, environment.generation)

        now = self._clock()
        minutes = (now - environment.created_at) / _MINUTE
        reason = self._describe(NamespaceRenamed(name, environment.namespace))
        await self._namespaces.delete_namespace(name, environment.key, fence)
        await self._journal.record(claim, Decision(environment.key, now, "reclaimed", reason))
        self._telemetry.leaked("renamed", minutes)
        log.info("orphaned namespace deleted", namespace=name, environment=str(environment.key))
