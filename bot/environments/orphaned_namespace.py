"""Namespaces that were an environment's before it got the one that it has: the store was lost and the
repository renamed since. Nobody finds the way to them any more, so they are taken away."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import structlog

from bot.environments.ports import Clock, EnvironmentStore, Fence
from bot.environments.telemetry import Telemetry
from bot.model.environment import Decision, EnvironmentKey, EnvironmentKind
from bot.model.manifest import OwnedNamespace
from bot.model.work import Claim

log = structlog.get_logger()

_MINUTE = timedelta(minutes=1)


class OwnedNamespaces(Protocol):
    async def owned_namespace(self, name: str) -> OwnedNamespace | None:
        """None unless it carries our label."""

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None: ...


class DecisionLog(Protocol):
    async def record(self, claim: Claim, decision: Decision) -> None:
        """Superseded unless the claim is still held."""


class OrphanedNamespaces:
    """The handler of `namespace:` work."""

    def __init__(
        self,
        environments: EnvironmentStore,
        journal: DecisionLog,
        namespaces: OwnedNamespaces,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._environments = environments
        self._journal = journal
        self._namespaces = namespaces
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self, claim: Claim) -> None:
        """The evidence: our label, and the environment that it names has its place elsewhere."""
        name = claim.key.subject
        found = await self._namespaces.owned_namespace(name)
        if found is None or found.terminating:
            return
        environment = await self._environments.get(found.environment)
        preview = found.environment.kind is EnvironmentKind.PREVIEW
        if environment is None or environment.namespace == name or not preview:
            return

        async def fence() -> None:
            await self._environments.check(claim, environment.key, environment.generation)

        now = self._clock()
        minutes = (now - environment.created_at) / _MINUTE
        why = f"The namespace {name} was left from before; it is {environment.namespace} now."
        await self._namespaces.delete_namespace(name, environment.key, fence)
        await self._journal.record(claim, Decision(environment.key, now, "reclaimed", why))
        self._telemetry.leaked("renamed", minutes)
        log.info("a second namespace was taken away", namespace=name, environment=str(environment.key))
