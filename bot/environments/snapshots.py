"""Keeps in each namespace what must survive the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.environments.ports import Clock, Fence
from bot.model.environment import EnvironmentKey
from bot.model.errors import Superseded
from bot.model.work import Claim


class ClaimedSnapshots(Protocol):
    async def claimed(self, claim: Claim) -> tuple[str, str] | None:
        """Namespace and text of the claim's environment, as read in the transaction of the claim."""


class SnapshotWriter(Protocol):
    async def keep_snapshot(
        self, name: str, environment: EnvironmentKey, snapshot: str, fence: Fence
    ) -> None:
        """Writes the annotation. No-op when the namespace is absent, being deleted or not ours."""


@dataclass(frozen=True, slots=True)
class SnapshotKeeper:
    """The handler of `snapshot:` work. A new namespace has a snapshot from its creation."""

    snapshots: ClaimedSnapshots
    namespaces: SnapshotWriter
    clock: Clock

    async def __call__(self, claim: Claim) -> None:
        taken = await self.snapshots.claimed(claim)
        if taken is None:
            return

        async def fence() -> None:
            """No other worker gets the key before the lease of the claim ends."""
            if self.clock() >= claim.leased_until:
                raise Superseded(f"The lease of {claim.key} has ended.")

        namespace, text = taken
        key = EnvironmentKey.parse(claim.key.subject)
        await self.namespaces.keep_snapshot(namespace, key, text, fence)
