"""Reads what changed since the last call, for open pages."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from bot.environments.ports import Clock
from bot.model.changes import Cursor
from bot.store.database import Database
from bot.store.tables import audit, environments

_OVERLAP = timedelta(seconds=5)
"""Clocks of replicas differ, and a transaction is committed after its time."""
_LIMIT = 500


class SqlChanges:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def start(self) -> Cursor:
        last = select(func.max(audit.c.id))
        id = await self._database.run(lambda connection: connection.scalar(last))
        return Cursor(self._clock(), id or 0)

    async def since(self, cursor: Cursor) -> tuple[Cursor, Collection[str]]:
        """The next cursor, and topics: keys of environments and ids of repositories."""
        return await self._database.run(lambda connection: _since(connection, cursor))


def _since(connection: Connection, cursor: Cursor) -> tuple[Cursor, Collection[str]]:
    saved = (
        select(environments.c.key, environments.c.repository_id, environments.c.updated_at)
        .where(environments.c.updated_at > cursor.saved_at - _OVERLAP)
        .order_by(environments.c.updated_at.desc())
        .limit(_LIMIT)
    )
    acted = (
        select(audit.c.id, audit.c.repository_id)
        .where(audit.c.id > cursor.audit_id)
        .order_by(audit.c.id)
        .limit(_LIMIT)
    )
    topics: set[str] = set()
    seen: dict[str, datetime] = {}
    for row in connection.execute(saved):
        seen[row.key] = row.updated_at
        if cursor.seen.get(row.key) != row.updated_at:
            topics |= {row.key, str(row.repository_id)}
    last = cursor.audit_id
    for id, repository_id in connection.execute(acted):
        topics.add(str(repository_id))
        last = id
    newest = max([cursor.saved_at, *seen.values()])
    return Cursor(newest, last, seen), topics
