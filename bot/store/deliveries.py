"""Deliveries and their effects, committed in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, or_, select

from bot.environments.ports import Clock
from bot.model.delivery import (
    CommandPosted,
    CommitStatusChanged,
    ConfigurationChanged,
    DefaultBranchPushed,
    Delivery,
    MergeGroupCreated,
    PullRequestHint,
    RepositoryRemoved,
    RerunRequested,
    ResyncRequested,
    ReviewRequested,
    WebhookEffect,
)
from bot.model.environment import RUNNING, EnvironmentKey, EnvironmentKind, UserOverrides
from bot.model.errors import StoreUnavailable
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.store import removals
from bot.store.bulk import BulkStatement
from bot.store.commands import insert_commands
from bot.store.database import Database, insert
from bot.store.environments import update_overrides, wake
from bot.store.hints import apply_hints
from bot.store.promotion_wakeups import wake_all, wake_pending
from bot.store.tables import NOT_DELETED, deliveries, environments, microseconds, repositories, stages
from bot.store.work_rows import enqueue

_COLLECTION_SECONDS = 0.001
"""How long a transaction waits for the expected number of deliveries."""


@dataclass(frozen=True, slots=True)
class _Entry:
    delivery: Delivery
    effects: Sequence[WebhookEffect]
    stored: asyncio.Future[None]


class SqlDeliveryStore:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: list[_Entry] = []
        self._recording: asyncio.Task[None] | None = None
        self._expected = 1
        """Number of deliveries in the last transaction, and of those that arrived meanwhile."""
        self._collected = asyncio.Event()

    async def record(self, delivery: Delivery, effects: Sequence[WebhookEffect] = ()) -> None:
        """Returns once the delivery and its work are on disk; a repeated guid has no second effect.

        StoreUnavailable: the delivery must not be acknowledged; a redelivery is processed.
        """
        entry = _Entry(delivery, effects, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        if len(self._waiting) >= self._expected:
            self._collected.set()
        if self._recording is None:
            self._recording = asyncio.create_task(self._record_waiting(), name="record-deliveries")
        try:
            await entry.stored
        except StoreUnavailable:
            raise
        except Exception:  # one of the deliveries cannot be stored: it must not fail the others
            await self._record([entry])

    async def _record_waiting(self) -> None:
        """While deliveries wait: stores all of them in one transaction, and wakes their callers."""
        while self._waiting:
            await self._collect()
            entries, self._waiting = self._waiting, []
            try:
                await self._record(entries)
            except Exception as error:
                if isinstance(error, StoreUnavailable):  # the next transaction could exceed GitHub's timeout
                    entries, self._waiting = entries + self._waiting, []
                _resolve(entries, error)
            else:
                _resolve(entries, None)
            self._expected = len(entries) + len(self._waiting)
            self._collected.clear()
        self._recording = None

    async def _collect(self) -> None:
        """Senders that were just answered send again: one commit for all costs as much as one for some."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_COLLECTION_SECONDS):
                await self._collected.wait()

    async def _record(self, entries: Sequence[_Entry]) -> None:
        now = self._clock()
        await self._database.run(lambda connection: _record(connection, entries, now))

    async def apply_hints(self, hints: Sequence[PullRequestHint]) -> None:
        """Applies what a sweep found, with the same effect as a delivery."""
        now = self._clock()
        await self._database.run(lambda connection: apply_hints(connection, hints, now))

    async def resync(self, repositories: Sequence[Repository], spacing: timedelta) -> None:
        """Stores the repositories' current names and enqueues their keys, the first one now."""
        now, keys = self._clock(), [WorkKey.resync(repository.id) for repository in repositories]

        def store(connection: Connection) -> None:
            _upsert_repositories(connection, repositories)
            enqueue(connection, keys, now, spacing=spacing)

        if repositories:
            await self._database.run(store)

    async def wake_pipelines(self, repositories: Sequence[Repository]) -> None:
        """Enqueues the pipelines of these repositories, which read the default branch."""
        now = self._clock()
        await self._database.run(lambda connection: _wake_pipelines(connection, repositories, now))

    async def recorded(self, guids: Collection[str]) -> set[str]:
        """The guids that were recorded already."""
        statement = select(deliveries.c.guid).where(deliveries.c.guid.in_(guids))
        return await self._database.run(lambda connection: set(connection.scalars(statement)))

    async def purge(self, before: datetime) -> int:
        """Deletes deliveries received before; GitHub redelivers only what is younger than 3 days."""

        def drop(connection: Connection) -> int:
            removals.purge(connection, before)
            return connection.execute(delete(deliveries).where(deliveries.c.received_at < before)).rowcount

        return await self._database.run(drop)

    async def repository(self, repository_id: int) -> Repository | None:
        """The repository as the latest delivery named it; for `resync:ID` and `pipeline:ID`."""
        return await self._database.run(lambda connection: _find_repository(connection, repository_id))


def _resolve(entries: Sequence[_Entry], error: Exception | None) -> None:
    for entry in entries:
        if entry.stored.done():  # its caller was cancelled
            continue
        if error is None:
            entry.stored.set_result(None)
        else:
            entry.stored.set_exception(error)


def _record(connection: Connection, entries: Sequence[_Entry], now: datetime) -> None:
    first_of_guid = {entry.delivery.guid: entry for entry in reversed(entries)}
    rows = [_row(first_of_guid[guid].delivery) for guid in sorted(first_of_guid)]
    new = {row[0] for row in _INSERT.run(connection, rows)}
    effects = [
        effect
        for entry in entries
        if entry.delivery.guid in new and first_of_guid[entry.delivery.guid] is entry
        for effect in entry.effects
    ]
    hints = [effect for effect in effects if isinstance(effect, PullRequestHint)]
    for effect in effects:
        if isinstance(effect, CommitStatusChanged):
            _wake_commit(connection, effect, now)
        elif isinstance(effect, ConfigurationChanged):
            hints += _hints_for_previews(connection, effect)
            wake_all(connection, effect.repository.id, now)
        elif isinstance(effect, MergeGroupCreated):
            _upsert_repositories(connection, [effect.repository])
            enqueue(connection, [WorkKey.merge_group(effect.repository.id, effect.sha)], now)
    apply_hints(connection, hints, now)
    for effect in effects:
        if isinstance(effect, RerunRequested):
            _rerun(connection, effect, now)
        elif isinstance(effect, ReviewRequested):
            key = EnvironmentKey.preview(effect.repository.id, effect.number)
            wake(connection, key, "A review was requested.", effect.by, now)
    removals.record(connection, [effect for effect in effects if isinstance(effect, RepositoryRemoved)], now)
    _resync(connection, [effect.repository for effect in effects if isinstance(effect, ResyncRequested)], now)
    _wake_pipelines(connection, _changed_pipelines(connection, effects), now)
    insert_commands(connection, [effect for effect in effects if isinstance(effect, CommandPosted)], now)


def _rerun(connection: Connection, effect: RerunRequested, now: datetime) -> None:
    repository = effect.repository.id
    if effect.number is not None:
        keys = [str(EnvironmentKey.preview(repository, effect.number))]
    else:
        keys = sorted(connection.scalars(_of_commit(repository, effect.commit)))
    for key in map(EnvironmentKey.parse, keys):
        if key.kind is EnvironmentKind.PREVIEW:
            update_overrides(connection, key, _with_refresh, "Re-run requested on a check.", effect.by, now)


def _of_commit(repository_id: int, commit: str | None) -> Select[Any]:
    """Existing environments that run the commit, or are about to."""
    return select(environments.c.key).where(
        environments.c.repository_id == repository_id,
        or_(environments.c.commit == commit, environments.c.hinted_head == commit),
        environments.c.state.in_(NOT_DELETED),
    )


def _with_refresh(overrides: UserOverrides) -> UserOverrides:
    return replace(overrides, refreshes=overrides.refreshes + 1)


def _row(delivery: Delivery) -> tuple[object, ...]:
    repository = delivery.repository
    return (
        delivery.guid,
        delivery.event,
        delivery.action,
        repository.id if repository else None,
        repository.full_name if repository else "",
        microseconds(delivery.received_at),
    )


_INSERT = BulkStatement(
    """
    INSERT INTO deliveries (guid, event, action, repository_id, repository, received_at)
    SELECT rows.guid, rows.event, rows.action, rows.repository_id, rows.repository, rows.received_at
    FROM {rows} WHERE true ON CONFLICT (guid) DO NOTHING RETURNING guid
    """,
    {
        "guid": "text",
        "event": "text",
        "action": "text",
        "repository_id": "bigint",
        "repository": "text",
        "received_at": "bigint",
    },
)


def _wake_commit(connection: Connection, change: CommitStatusChanged, now: datetime) -> None:
    wanting = _of_commit(change.repository_id, change.sha).where(
        # A running environment has its images; the report of its own check run ends here.
        or_(environments.c.state.not_in(RUNNING), environments.c.commit != change.sha),
    )
    keys = [EnvironmentKey.parse(key) for key in connection.scalars(wanting)]
    enqueue(connection, map(WorkKey.environment, keys), now)
    wake_pending(connection, change.repository_id, now)


def _hints_for_previews(connection: Connection, effect: ConfigurationChanged) -> list[PullRequestHint]:
    standing = select(environments.c.key).where(
        environments.c.repository_id == effect.repository.id,
        environments.c.state.in_(NOT_DELETED),
    )
    keys = [EnvironmentKey.parse(key) for key in connection.scalars(standing)]
    previews = [key for key in keys if key.kind is EnvironmentKind.PREVIEW]
    return [PullRequestHint(effect.repository, int(key.name), None, None) for key in previews]


def _resync(connection: Connection, named: Sequence[Repository], now: datetime) -> None:
    if not named:
        return
    removals.revoke(connection, named)
    _upsert_repositories(connection, named)
    enqueue(connection, [WorkKey.resync(repository.id) for repository in named], now)


def _changed_pipelines(connection: Connection, effects: Sequence[WebhookEffect]) -> list[Repository]:
    """Repositories whose pipeline must run: after a new configuration, or a push if there are stages."""
    reconfigured = [effect.repository for effect in effects if isinstance(effect, ConfigurationChanged)]
    pushed = {
        effect.repository.id: effect.repository
        for effect in effects
        if isinstance(effect, DefaultBranchPushed)
    }
    if not pushed:  # most deliveries: the query would take a tenth of the transaction
        return reconfigured
    staged = select(stages.c.repository_id).where(stages.c.repository_id.in_(pushed)).distinct()
    return [*(pushed[id] for id in connection.scalars(staged)), *reconfigured]


def _wake_pipelines(connection: Connection, named: Sequence[Repository], now: datetime) -> None:
    if named:
        _upsert_repositories(connection, named)
        enqueue(connection, [WorkKey.pipeline(repository.id) for repository in named], now)


def _upsert_repositories(connection: Connection, named: Sequence[Repository]) -> None:
    rows = [
        {
            "id": repository.id,
            "installation_id": repository.installation_id,
            "owner": repository.owner,
            "name": repository.name,
        }
        for repository in sorted(named, key=lambda repository: repository.id)
    ]
    statement = insert(connection, repositories)
    newer = {name: statement.excluded[name] for name in ("installation_id", "owner", "name")}
    connection.execute(statement.on_conflict_do_update(index_elements=[repositories.c.id], set_=newer), rows)


def _find_repository(connection: Connection, repository_id: int) -> Repository | None:
    row = connection.execute(select(repositories).where(repositories.c.id == repository_id)).one_or_none()
    return Repository(row.id, row.installation_id, row.owner, row.name) if row else None
