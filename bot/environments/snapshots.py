"""Keeps in each namespace what must survive the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bot.environments.ports import Clock, Fence
from bot.model.environment import EnvironmentKey
from bot.model.errors import Superseded
from bot.model.work import Claim


class SnapshotReader(Protocol):
    async def take(self, key: EnvironmentKey) -> tuple[str, str] | None:
        """Namespace and text of the environment's snapshot; None without an environment."""


class ClaimedSnapshots(Protocol):
    async def claimed(self, claim: Claim) -> tuple[str, str, str] | None:
        """Cluster, namespace and text of the claim's environment, as read in the claim's transaction."""


class SnapshotWriter(Protocol):
    async def keep_snapshot(
        self, name: str, environment: EnvironmentKey, snapshot: str, fence: Fence
    ) -> None:
        """Writes the annotation. No-op when the namespace is absent, being deleted or not ours."""


@dataclass(frozen=True, slots=True)
class SnapshotKeeper:
    """The handler of `snapshot:` work. A new namespace has a snapshot from its creation."""

    snapshots: ClaimedSnapshots
    enter: Callable[[str], AbstractContextManager[SnapshotWriter]]
    """Gives the namespaces of a cluster. Raises Deferred while too many runs use it."""
    clock: Clock

    async def __call__(self, claim: Claim) -> None:
        taken = await self.snapshots.claimed(claim)
        if taken is None:
            return

        async def fence() -> None:
            """No other worker gets the key before the lease of the claim ends."""
            if self.clock() >= claim.leased_until:
                raise Superseded(f"The lease of {claim.key} has ended.")

        cluster, namespace, text = taken
        key = EnvironmentKey.parse(claim.key.subject)
        with self.enter(cluster) as namespaces:
            await namespaces.keep_snapshot(namespace, key, text, fence)
