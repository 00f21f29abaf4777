"""Snapshots of environments for the annotations of their namespaces, and their way back into a store."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, Row, select, update

from bot.environments.ports import Clock
from bot.model.environment import Attempt, EnvironmentKey, EnvironmentKind, EnvironmentState, Status
from bot.model.manifest import OwnedNamespace
from bot.model.quota import Admission
from bot.model.snapshot import Snapshot, StoreVersion
from bot.model.work import Claim, WorkKey
from bot.store.database import Database, insert
from bot.store.documents import keeper, resolver
from bot.store.environment_rows import new_row, read_overrides
from bot.store.records import decoder, encode
from bot.store.stage_rows import read_stages, unfinished_promotions
from bot.store.tables import environments
from bot.store.work_rows import enqueue

log = structlog.get_logger()

_VERSION = 1
_MAX_BYTES = 200_000
"""Kubernetes limits the annotations of an object to 256 KiB."""
_KEPT_WHEN_LARGE = 2
"""Verified releases in a snapshot that would be too large with all of them."""

_read_snapshot = decoder(Snapshot)


@dataclass(frozen=True, slots=True)
class _Stored:
    version: int
    snapshot: dict[str, Any]
    documents: Mapping[str, str] = field(default_factory=dict)


_Taken = tuple[str, str, Snapshot] | None
"""Cluster, namespace and snapshot of an environment."""


@dataclass(frozen=True, slots=True)
class ClaimedSnapshot:
    """A snapshot as of its claim."""

    taken: _Taken


class SqlSnapshots:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, key: EnvironmentKey) -> tuple[str, str] | None:
        """Namespace and text of the environment's snapshot; None without an environment."""
        taken = await self._taken(key)
        return taken[1:] if taken is not None else None

    async def _taken(self, key: EnvironmentKey) -> tuple[str, str, str] | None:
        return _text(key, await self._database.run(lambda connection: _take(connection, key)))

    def read_claimed(self, connection: Connection, subject: str) -> ClaimedSnapshot:
        """Within the transaction of the claim."""
        return ClaimedSnapshot(_take(connection, EnvironmentKey.parse(subject)))

    async def claimed(self, claim: Claim) -> tuple[str, str, str] | None:
        """Cluster, namespace and text of the claim's environment, as read in the claim's transaction."""
        key = EnvironmentKey.parse(claim.key.subject)
        if not isinstance(claim.record, ClaimedSnapshot):
            return await self._taken(key)
        return _text(key, claim.record.taken)

    async def versions(self, keys: Collection[EnvironmentKey]) -> Mapping[EnvironmentKey, StoreVersion]:
        """The version of each environment in the store."""
        names = [str(key) for key in keys]

        def read(connection: Connection) -> Mapping[EnvironmentKey, StoreVersion]:
            own = select(environments.c.key, environments.c.generation).where(environments.c.key.in_(names))
            revisions = {str(stage.key): stage.revision for stage in read_stages(connection, names)}
            return {
                EnvironmentKey.parse(name): StoreVersion(generation, revisions.get(name, 0))
                for name, generation in connection.execute(own).all()
            }

        return await self._database.run(read)

    async def adopt(self, namespace: OwnedNamespace, snapshot: Snapshot | None) -> None:
        """Continues the environment from its namespace: the next run reads GitHub and the cluster again.

        Without effect on an environment that the store knows at least as well.
        """
        key, now = namespace.environment, self._clock()
        live = max(namespace.generation, snapshot.generation if snapshot is not None else 0)

        def adopt(connection: Connection) -> None:
            row = new_row(key, namespace.repository, namespace.name, now)
            new = {**row, "generation": 0, "hinted_open": None}
            connection.execute(insert(connection, environments).values(new).on_conflict_do_nothing())
            statement = select(environments).where(environments.c.key == str(key)).with_for_update()
            stored = connection.execute(statement).one()
            if stored.generation > live:
                return
            values: dict[str, Any] = {
                "generation": live + 1,
                "observed_generation": 0,
                "namespace": namespace.name,
                "cluster": namespace.cluster,
                "desired_at": now,
                "state": EnvironmentState.PENDING,
                "status": encode(Status(EnvironmentState.PENDING)),
                "progress": encode(Attempt()),
                "expires_at": None,
            }
            if key.kind is EnvironmentKind.PREVIEW:  # it runs, so it has a slot
                values |= {"admission": Admission.ADMITTED, "asked_at": stored.asked_at or now}
            overrides = snapshot.overrides if snapshot is not None else None
            if overrides is not None and snapshot is not None and snapshot.generation >= stored.generation:
                values["overrides"] = encode(overrides, keeper(connection))
            connection.execute(update(environments).where(environments.c.key == str(key)).values(values))
            enqueue(connection, [WorkKey.environment(key), WorkKey.snapshot(key)], now)

        await self._database.run(adopt)


def read_snapshot(namespace: OwnedNamespace) -> Snapshot | None:
    """The snapshot in a namespace's annotation; None when it is absent, invalid or of another environment."""
    if not namespace.snapshot:
        return None
    try:
        stored = msgspec.json.decode(namespace.snapshot, type=_Stored)
        if stored.version != _VERSION:
            raise ValueError(f"version {stored.version}")
        text = msgspec.json.encode(stored.snapshot).decode()
        snapshot = _read_snapshot(text, stored.documents.__getitem__)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
        log.error("snapshot of a namespace unreadable", namespace=namespace.name, reason=str(error))
        return None
    key = namespace.environment
    own = snapshot.stage.key == key if snapshot.stage is not None else key.kind is EnvironmentKind.PREVIEW
    return snapshot if own else None


def _take(connection: Connection, key: EnvironmentKey) -> _Taken:
    row = connection.execute(select(environments).where(environments.c.key == str(key))).one_or_none()
    return (row.cluster, row.namespace, _snapshot(connection, key, row)) if row is not None else None


def _text(key: EnvironmentKey, taken: _Taken) -> tuple[str, str, str] | None:
    if taken is None:
        return None
    cluster, namespace, snapshot = taken
    return cluster, namespace, _fitting(key, snapshot)


def _snapshot(connection: Connection, key: EnvironmentKey, row: Row[Any]) -> Snapshot:
    if key.kind is EnvironmentKind.PREVIEW:
        return Snapshot(row.generation, read_overrides(row.overrides, resolver(connection)))
    stage = next(iter(read_stages(connection, [str(key)])), None)
    promotions = unfinished_promotions(connection, key)
    return Snapshot(row.generation, stage=stage, promotions=tuple(promotions))


def _fitting(key: EnvironmentKey, snapshot: Snapshot) -> str:
    """The text of the snapshot, with fewer verified releases when Kubernetes would not accept it."""
    text, stage = _encode(snapshot), snapshot.stage
    if len(text.encode()) <= _MAX_BYTES or stage is None:
        return text
    log.warning("snapshot shortened, the configuration is large", environment=str(key))
    short = replace(stage, verified=stage.verified[-_KEPT_WHEN_LARGE:])
    text = _encode(replace(snapshot, stage=short))
    return (
        text if len(text.encode()) <= _MAX_BYTES else _encode(replace(snapshot, stage=short, promotions=()))
    )


def _encode(snapshot: Snapshot) -> str:
    documents: dict[str, str] = {}

    def keep(text: str) -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        documents[digest] = text
        return digest

    record = msgspec.json.decode(encode(snapshot, keep))
    return msgspec.json.encode(_Stored(_VERSION, record, documents)).decode()
