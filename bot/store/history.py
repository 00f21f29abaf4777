"""Deletes old history, in small transactions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, delete, literal_column, select, tuple_

from bot.store.database import Database
from bot.store.tables import attempts, decisions, environments, work

_BATCH = 250
"""Rows per transaction."""
_MAX_BATCHES = 40
"""Batches per call; the next call deletes more."""


class SqlHistory:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def purge_environments(self, before: datetime) -> int:
        """Deletes environments that were deleted before that time. Returns how many.

        One whose pull request is open stays: it remembers that a user deleted it, or that it expired.
        """
        unused = and_(
            environments.c.state == literal_column("'gone'"),
            environments.c.hinted_open.is_(False),
            environments.c.updated_at < before,
            ~select(work.c.key).where(work.c.key == "environment:" + environments.c.key).exists(),
        )
        oldest = select(environments.c.key).where(unused).order_by(environments.c.updated_at)
        return await self._purge(environments, environments.c.key, oldest, unused)

    async def purge_decisions(self, before: datetime) -> int:
        """Deletes decisions that were made before that time. Returns how many."""
        old = decisions.c.at < before
        oldest = select(decisions.c.id).where(old).order_by(decisions.c.at)
        return await self._purge(decisions, decisions.c.id, oldest, old)

    async def purge_attempts(self, before: datetime) -> int:
        """Deletes attempts that changed last before that time. Returns how many."""
        old = attempts.c.updated_at < before
        key = tuple_(attempts.c.environment, attempts.c.started_at)
        columns = (attempts.c.environment, attempts.c.started_at)
        return await self._purge(
            attempts, key, select(*columns).where(old).order_by(attempts.c.updated_at), old
        )

    async def _purge(
        self, table: Table, key: ColumnElement[Any], oldest: Select[Any], condition: ColumnElement[bool]
    ) -> int:
        """Checks the condition again in the statement that deletes: a row may have changed meanwhile."""
        statement = delete(table).where(key.in_(oldest.limit(_BATCH)), condition)
        total = 0
        for _ in range(_MAX_BATCHES):
            deleted = await self._database.run(lambda connection: connection.execute(statement).rowcount)
            total += deleted
            if deleted < _BATCH:
                break
        return total
