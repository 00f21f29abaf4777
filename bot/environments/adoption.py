"""Continues environments from their namespaces after the store was lost, replaced or restored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import structlog

from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.manifest import OwnedNamespace
from bot.model.snapshot import Snapshot, StoreVersion
from bot.model.work import WorkKey

log = structlog.get_logger()


class Adoption(StrEnum):
    """What the store does about a namespace."""

    CONTINUE = "continue"
    """It knows the environment at least as well."""
    ADOPT = "adopt"
    """The namespace is newer than the record, or there is no record."""
    IGNORE = "ignore"
    """Nothing is known of it that would be safe to continue."""


class NamespaceLister(Protocol):
    async def owned_namespaces(self) -> Sequence[OwnedNamespace]:
        """All namespaces of our App."""


class AdoptingStore(Protocol):
    async def versions(self, keys: Collection[EnvironmentKey]) -> Mapping[EnvironmentKey, StoreVersion]:
        """The version of each environment in the store."""

    async def adopt(self, namespace: OwnedNamespace, snapshot: Snapshot | None) -> None:
        """Continues the environment above the generation of its namespace."""


class StageRecovery(Protocol):
    async def restore(self, snapshot: Snapshot) -> None:
        """Restores a stage and its unfinished promotions."""


class Enqueuer(Protocol):
    async def enqueue(self, keys: Sequence[WorkKey]) -> None: ...


def decide(namespace: OwnedNamespace, snapshot: Snapshot | None, stored: StoreVersion | None) -> Adoption:
    """`stored` is None for an environment that the store does not have."""
    if namespace.terminating or not namespace.has_app:
        return Adoption.IGNORE
    if stored is None:
        has_content = namespace.environment.kind is EnvironmentKind.PREVIEW or snapshot is not None
        return Adoption.ADOPT if has_content else Adoption.IGNORE
    live = version(namespace, snapshot)
    is_newer = live.generation > stored.generation or live.revision > stored.revision
    return Adoption.ADOPT if is_newer else Adoption.CONTINUE


def version(namespace: OwnedNamespace, snapshot: Snapshot | None) -> StoreVersion:
    """The version of the store that wrote the namespace."""
    if snapshot is None:
        return StoreVersion(namespace.generation)
    revision = snapshot.stage.revision if snapshot.stage is not None else 0
    return StoreVersion(max(namespace.generation, snapshot.generation), revision)


class Adopter:
    """`read`: the snapshot in a namespace's annotation, None when there is none that can be read."""

    def __init__(
        self,
        namespaces: NamespaceLister,
        store: AdoptingStore,
        stages: StageRecovery,
        queue: Enqueuer,
        read: Callable[[OwnedNamespace], Snapshot | None],
    ) -> None:
        self._namespaces = namespaces
        self._store = store
        self._stages = stages
        self._queue = queue
        self._read = read

    async def __call__(self) -> None:
        """Compares all namespaces of the App with the store."""
        await self.adopt(await self._namespaces.owned_namespaces(), without_record=True)

    async def adopt(self, listed: Sequence[OwnedNamespace], *, without_record: bool) -> None:
        """`without_record`: also namespaces that the store does not know.

        The sweep of orphans handles these later, and limits how many it deletes.
        """
        # After a rename, an environment can have two: the sweep of orphans deletes the older one.
        newest = {
            namespace.environment: namespace
            for namespace in sorted(listed, key=lambda namespace: (namespace.has_app, namespace.generation))
            if not namespace.terminating
        }
        versions = await self._store.versions(newest.keys())
        for key, namespace in newest.items():
            stored, snapshot = versions.get(key), self._read(namespace)
            adoption = decide(namespace, snapshot, stored)
            if adoption is Adoption.ADOPT and (without_record or stored is not None):
                await self._adopt(namespace, snapshot, stored)
            elif stored is None and without_record:
                log.warning("namespace without a record ignored", namespace=namespace.name)
        # An earlier version prepared these.
        unrecorded = [key for key in versions if not newest[key].snapshot]
        await self._queue.enqueue([WorkKey.snapshot(key) for key in unrecorded])

    async def _adopt(
        self, namespace: OwnedNamespace, snapshot: Snapshot | None, stored: StoreVersion | None
    ) -> None:
        present = stored or StoreVersion(0, -1)
        if snapshot is not None and snapshot.stage is not None and snapshot.stage.revision > present.revision:
            await self._stages.restore(snapshot)
        await self._store.adopt(namespace, snapshot)
        log.info(
            "environment continued from its namespace",
            environment=str(namespace.environment),
            namespace=namespace.name,
            generation=version(namespace, snapshot).generation,
            stored_generation=present.generation,
        )
