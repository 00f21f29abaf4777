"""Deliveries and what they ask for, committed together: many at once, one fsync for all."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select

from bot.environments.ports import Clock
from bot.model.delivery import (
    CommandPosted,
    CommitStatusChanged,
    ConfigurationChanged,
    DefaultBranchPushed,
    Delivery,
    PullRequestHint,
    RepositoryRemoved,
    RerunRequested,
    ResyncRequested,
    WebhookEffect,
)
from bot.model.environment import EnvironmentKey, EnvironmentKind, EnvironmentState, UserOverrides
from bot.model.errors import StoreUnavailable
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.store import removals
from bot.store.bulk import Bulk
from bot.store.commands import hear
from bot.store.database import Database
from bot.store.dialect import insert
from bot.store.environments import wish
from bot.store.hints import absorb
from bot.store.promotions import wake_all, wake_pending
from bot.store.queue import enqueue
from bot.store.tables import deliveries, environments, microseconds, repositories, stages

_LARGEST_BATCH = 64
_QUIET_TURNS = 2
"""Turns of the event loop without a newcomer; a request needs two from the socket to the store."""


@dataclass(frozen=True, slots=True)
class _Entry:
    delivery: Delivery
    asks: Sequence[WebhookEffect]
    recorded: asyncio.Future[None]


class Deliveries:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: list[_Entry] = []
        self._recording: asyncio.Task[None] | None = None

    async def record(self, delivery: Delivery, asks: Sequence[WebhookEffect] = ()) -> None:
        """Returns once the delivery and the work it asks for are on disk; a known guid has no second effect.

        StoreUnavailable: it must not be acknowledged; the same delivery sent again is processed.
        """
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(delivery, asks, recorded))
        if self._recording is None:
            self._recording = asyncio.create_task(self._record(), name="record-deliveries")
        await recorded

    async def hint(self, hints: Sequence[PullRequestHint]) -> None:
        """What a sweep found out has the same effect as if it had been delivered."""
        now = self._clock()
        await self._database.run(lambda connection: absorb(connection, hints, now))
        self._database.work_signal.notify()

    async def follow(self, named: Sequence[Repository]) -> None:
        """The pipelines of these repositories are to look what their default branches want."""
        now = self._clock()
        await self._database.run(lambda connection: _follow(connection, named, now))
        self._database.work_signal.notify()

    async def known(self, guids: Collection[str]) -> set[str]:
        """Which of these deliveries were recorded."""
        statement = select(deliveries.c.guid).where(deliveries.c.guid.in_(guids))
        return await self._database.run(lambda connection: set(connection.scalars(statement)))

    async def forget(self, before: datetime) -> int:
        """Drops what was received before; GitHub redelivers only what is younger than 3 days."""

        def drop(connection: Connection) -> int:
            removals.forget(connection, before)
            return connection.execute(delete(deliveries).where(deliveries.c.received_at < before)).rowcount

        return await self._database.run(drop)

    async def repository(self, repository_id: int) -> Repository | None:
        """The repository as a delivery named it last; for `resync:ID` and `pipeline:ID`."""
        return await self._database.run(lambda connection: _repository(connection, repository_id))

    async def _record(self) -> None:
        """While deliveries wait: all that wait, together; alone when they cannot be stored together."""
        while self._waiting:
            await self._gather()
            entries, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
            try:
                await self._store(entries)
            except StoreUnavailable as error:
                # Those who came meanwhile have waited behind it: they shall not wait as long again.
                _tell([*entries, *self._waiting], error)
                self._waiting = []
            except Exception:
                # One of them cannot be stored; it shall not take the others with it.
                for entry in entries:
                    await self._store_alone(entry)
        self._recording = None

    async def _gather(self) -> None:
        """Lets those in who are at the door: a commit costs the same for one as for all of them."""
        quiet = 0
        while quiet < _QUIET_TURNS and len(self._waiting) < _LARGEST_BATCH:
            before = len(self._waiting)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == before else 0

    async def _store_alone(self, entry: _Entry) -> None:
        try:
            await self._store([entry])
        except Exception as error:
            _tell([entry], error)

    async def _store(self, entries: Sequence[_Entry]) -> None:
        now = self._clock()
        await self._database.run(lambda connection: _store(connection, entries, now))
        self._database.work_signal.notify()
        _tell(entries, None)


def _tell(entries: Sequence[_Entry], error: Exception | None) -> None:
    for entry in entries:
        if entry.recorded.done():
            continue
        if error is None:
            entry.recorded.set_result(None)
        else:
            entry.recorded.set_exception(error)


def _store(connection: Connection, entries: Sequence[_Entry], now: datetime) -> None:
    by_guid = {entry.delivery.guid: entry for entry in reversed(entries)}
    found = _INSERT.run(connection, [_row(by_guid[guid].delivery) for guid in sorted(by_guid)])
    new = {row[0] for row in found}
    asks = [ask for entry in entries if entry.delivery.guid in new for ask in entry.asks]
    hints = [ask for ask in asks if isinstance(ask, PullRequestHint)]
    for ask in asks:
        if isinstance(ask, CommitStatusChanged):
            _wake(connection, ask, now)
        elif isinstance(ask, ConfigurationChanged):
            hints += _reread(connection, ask)
            wake_all(connection, ask.repository.id, now)
    absorb(connection, hints, now)
    for ask in asks:
        if isinstance(ask, RerunRequested):
            key = EnvironmentKey.preview(ask.repository.id, ask.number)
            wish(connection, key, _refreshed, "“Re-run” was pressed on a check.", ask.by, now)
    removals.note(connection, [ask for ask in asks if isinstance(ask, RepositoryRemoved)], now)
    _resync(connection, [ask.repository for ask in asks if isinstance(ask, ResyncRequested)], now)
    _follow(connection, _followers(connection, asks), now)
    hear(connection, [ask for ask in asks if isinstance(ask, CommandPosted)], now)


def _refreshed(wishes: UserOverrides) -> UserOverrides:
    return replace(wishes, refreshes=wishes.refreshes + 1)


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


_INSERT = Bulk(
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


def _wake(connection: Connection, wake: CommitStatusChanged, now: datetime) -> None:
    wanting = select(environments.c.key).where(
        environments.c.repository_id == wake.repository_id,
        or_(environments.c.commit == wake.sha, environments.c.hinted_head == wake.sha),
        environments.c.state != EnvironmentState.GONE,
    )
    keys = [EnvironmentKey.parse(key) for key in connection.scalars(wanting)]
    enqueue(connection, map(WorkKey.environment, keys), now)
    wake_pending(connection, wake.repository_id, now)


def _reread(connection: Connection, ask: ConfigurationChanged) -> list[PullRequestHint]:
    standing = select(environments.c.key).where(
        environments.c.repository_id == ask.repository.id,
        environments.c.state != EnvironmentState.GONE,
    )
    keys = [EnvironmentKey.parse(key) for key in connection.scalars(standing)]
    previews = [key for key in keys if key.kind is EnvironmentKind.PREVIEW]
    return [PullRequestHint(ask.repository, int(key.name), None, None) for key in previews]


def _resync(connection: Connection, named: Sequence[Repository], now: datetime) -> None:
    if not named:
        return
    removals.take_back(connection, named)
    _remember(connection, named)
    enqueue(connection, [WorkKey.resync(each.id) for each in named], now)


def _followers(connection: Connection, asks: Sequence[WebhookEffect]) -> list[Repository]:
    """Whose pipeline has to look: the configuration changed, or something was pushed and there is one."""
    reconfigured = [ask.repository for ask in asks if isinstance(ask, ConfigurationChanged)]
    pushed = {ask.repository.id: ask.repository for ask in asks if isinstance(ask, DefaultBranchPushed)}
    if not pushed:  # most deliveries, for which the question alone would cost a tenth of the transaction
        return reconfigured
    known = select(stages.c.repository_id).where(stages.c.repository_id.in_(pushed)).distinct()
    return [*(pushed[id] for id in connection.scalars(known)), *reconfigured]


def _follow(connection: Connection, named: Sequence[Repository], now: datetime) -> None:
    if named:
        _remember(connection, named)
        enqueue(connection, [WorkKey.pipeline(each.id) for each in named], now)


def _remember(connection: Connection, named: Sequence[Repository]) -> None:
    rows = [
        {"id": each.id, "installation_id": each.installation_id, "owner": each.owner, "name": each.name}
        for each in sorted(named, key=lambda each: each.id)
    ]
    statement = insert(connection, repositories)
    newer = {name: statement.excluded[name] for name in ("installation_id", "owner", "name")}
    connection.execute(statement.on_conflict_do_update(index_elements=[repositories.c.id], set_=newer), rows)


def _repository(connection: Connection, repository_id: int) -> Repository | None:
    row = connection.execute(select(repositories).where(repositories.c.id == repository_id)).one_or_none()
    return Repository(row.id, row.installation_id, row.owner, row.name) if row else None
