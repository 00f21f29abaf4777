"""Keeps in each namespace what must survive the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bot.environments.ports import Fence, SnapshotReader
from bot.model.environment import EnvironmentKey
from bot.model.work import Claim


class SnapshotWriter(Protocol):
    async def keep_snapshot(
        self, name: str, environment: EnvironmentKey, snapshot: str, fence: Fence
    ) -> None:
        """Writes the annotation. No-op when the namespace is absent, being deleted or not ours."""


@dataclass(frozen=True, slots=True)
class SnapshotKeeper:
    """The handler of `snapshot:` work. A new namespace has a snapshot from its creation."""

    snapshots: SnapshotReader
    namespaces: SnapshotWriter
    check: Callable[[Claim], Awaitable[None]]
    """Raises Superseded unless the claim is current."""

    async def __call__(self, claim: Claim) -> None:
        key = EnvironmentKey.parse(claim.key.subject)
        taken = await self.snapshots.take(key)
        if taken is None:
            return

        async def fence() -> None:
            await self.check(claim)

        namespace, text = taken
        await self.namespaces.keep_snapshot(namespace, key, text, fence)
