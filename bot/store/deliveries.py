"""Deliveries and what they ask for, committed in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
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
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.store import removals
from bot.store.bulk import BulkStatement
from bot.store.commands import insert_commands
from bot.store.database import Database, insert
from bot.store.environments import update_overrides
from bot.store.hints import apply_hints
from bot.store.promotions import wake_all, wake_pending
from bot.store.queue import enqueue
from bot.store.tables import deliveries, environments, microseconds, repositories, stages


class SqlDeliveryStore:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def record(self, delivery: Delivery, effects: Sequence[WebhookEffect] = ()) -> None:
        """Returns once the delivery and the work it asks for are on disk; a known guid has no second effect.

        StoreUnavailable: it must not be acknowledged; the same delivery sent again is processed.
        """
        now = self._clock()
        await self._database.run(lambda connection: _record(connection, delivery, effects, now))

    async def apply_hints(self, hints: Sequence[PullRequestHint]) -> None:
        """What a sweep found out has the same effect as if it had been delivered."""
        now = self._clock()
        await self._database.run(lambda connection: apply_hints(connection, hints, now))

    async def wake_pipelines(self, repositories: Sequence[Repository]) -> None:
        """The pipelines of these repositories are to look what their default branches want."""
        now = self._clock()
        await self._database.run(lambda connection: _wake_pipelines(connection, repositories, now))

    async def recorded(self, guids: Collection[str]) -> set[str]:
        """Which of these deliveries were recorded."""
        statement = select(deliveries.c.guid).where(deliveries.c.guid.in_(guids))
        return await self._database.run(lambda connection: set(connection.scalars(statement)))

    async def purge(self, before: datetime) -> int:
        """Drops what was received before; GitHub redelivers only what is younger than 3 days."""

        def drop(connection: Connection) -> int:
            removals.purge(connection, before)
            return connection.execute(delete(deliveries).where(deliveries.c.received_at < before)).rowcount

        return await self._database.run(drop)

    async def repository(self, repository_id: int) -> Repository | None:
        """The repository as a delivery named it last; for `resync:ID` and `pipeline:ID`."""
        return await self._database.run(lambda connection: _find_repository(connection, repository_id))


def _record(connection: Connection, delivery: Delivery, asks: Sequence[WebhookEffect], now: datetime) -> None:
    if not _INSERT.run(connection, [_row(delivery)]):
        return
    hints = [ask for ask in asks if isinstance(ask, PullRequestHint)]
    for ask in asks:
        if isinstance(ask, CommitStatusChanged):
            _wake_commit(connection, ask, now)
        elif isinstance(ask, ConfigurationChanged):
            hints += _hints_for_previews(connection, ask)
            wake_all(connection, ask.repository.id, now)
    apply_hints(connection, hints, now)
    for ask in asks:
        if isinstance(ask, RerunRequested):
            key = EnvironmentKey.preview(ask.repository.id, ask.number)
            update_overrides(connection, key, _with_refresh, "“Re-run” was pressed on a check.", ask.by, now)
    removals.record(connection, [ask for ask in asks if isinstance(ask, RepositoryRemoved)], now)
    _resync(connection, [ask.repository for ask in asks if isinstance(ask, ResyncRequested)], now)
    _wake_pipelines(connection, _changed_pipelines(connection, asks), now)
    insert_commands(connection, [ask for ask in asks if isinstance(ask, CommandPosted)], now)


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
    wanting = select(environments.c.key).where(
        environments.c.repository_id == change.repository_id,
        or_(environments.c.commit == change.sha, environments.c.hinted_head == change.sha),
        environments.c.state != EnvironmentState.GONE,
    )
    keys = [EnvironmentKey.parse(key) for key in connection.scalars(wanting)]
    enqueue(connection, map(WorkKey.environment, keys), now)
    wake_pending(connection, change.repository_id, now)


def _hints_for_previews(connection: Connection, ask: ConfigurationChanged) -> list[PullRequestHint]:
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
    removals.revoke(connection, named)
    _upsert_repositories(connection, named)
    enqueue(connection, [WorkKey.resync(each.id) for each in named], now)


def _changed_pipelines(connection: Connection, asks: Sequence[WebhookEffect]) -> list[Repository]:
    """Whose pipeline has to look: the configuration changed, or something was pushed and there is one."""
    reconfigured = [ask.repository for ask in asks if isinstance(ask, ConfigurationChanged)]
    pushed = {ask.repository.id: ask.repository for ask in asks if isinstance(ask, DefaultBranchPushed)}
    if not pushed:  # most deliveries, for which the question alone would cost a tenth of the transaction
        return reconfigured
    known = select(stages.c.repository_id).where(stages.c.repository_id.in_(pushed)).distinct()
    return [*(pushed[id] for id in connection.scalars(known)), *reconfigured]


def _wake_pipelines(connection: Connection, named: Sequence[Repository], now: datetime) -> None:
    if named:
        _upsert_repositories(connection, named)
        enqueue(connection, [WorkKey.pipeline(each.id) for each in named], now)


def _upsert_repositories(connection: Connection, named: Sequence[Repository]) -> None:
    rows = [
        {"id": each.id, "installation_id": each.installation_id, "owner": each.owner, "name": each.name}
        for each in sorted(named, key=lambda each: each.id)
    ]
    statement = insert(connection, repositories)
    newer = {name: statement.excluded[name] for name in ("installation_id", "owner", "name")}
    connection.execute(statement.on_conflict_do_update(index_elements=[repositories.c.id], set_=newer), rows)


def _find_repository(connection: Connection, repository_id: int) -> Repository | None:
    row = connection.execute(select(repositories).where(repositories.c.id == repository_id)).one_or_none()
    return Repository(row.id, row.installation_id, row.owner, row.name) if row else None
