"""Journal of decisions about environments: append-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, select

from bot.model.environment import Decision, EnvironmentKey
from bot.model.work import Claim
from bot.store.database import Database
from bot.store.tables import decisions, storable
from bot.store.work_rows import require_claim

_REFUSED = 3


class SqlDecisionJournal:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def decisions(self, key: EnvironmentKey, limit: int = 50) -> list[Decision]:
        """Newest first; only a few refused commands, which anyone can post and which would hide the rest."""
        newest = select(decisions).where(decisions.c.environment == str(key)).order_by(decisions.c.id.desc())
        refused = and_(decisions.c.what == "refused", decisions.c.by != "")
        statements = (newest.where(~refused).limit(limit), newest.where(refused).limit(_REFUSED))

        def read(connection: Connection) -> list[Row[Any]]:
            return [row for statement in statements for row in connection.execute(statement)]

        rows = sorted(await self._database.run(read), key=lambda row: row.id, reverse=True)
        return [Decision(key, row.at, row.what, row.why, row.by) for row in rows[:limit]]

    async def between(
        self, key: EnvironmentKey, start: datetime, end: datetime | None, limit: int = 50
    ) -> list[Decision]:
        """Decisions from `start` to before `end`, newest first."""
        statement = select(decisions).where(decisions.c.environment == str(key), decisions.c.at >= start)
        if end is not None:
            statement = statement.where(decisions.c.at < end)
        newest = statement.order_by(decisions.c.id.desc()).limit(limit)
        rows = await self._database.run(lambda connection: connection.execute(newest).all())
        return [Decision(key, row.at, row.what, row.why, row.by) for row in rows]

    async def latest(self, key: EnvironmentKey, actions: Sequence[str]) -> Mapping[str, datetime]:
        """When each action was decided last; older ones than the history are missing."""
        statement = (
            select(decisions.c.what, func.max(decisions.c.at))
            .where(decisions.c.environment == str(key), decisions.c.what.in_(actions))
            .group_by(decisions.c.what)
        )
        rows = await self._database.run(lambda connection: connection.execute(statement).all())
        return {row[0]: row[1] for row in rows}

    async def record(self, claim: Claim, decision: Decision) -> None:
        """Appends a decision that changes no record; Superseded unless the claim is held."""

        def write(connection: Connection) -> None:
            require_claim(connection, claim)
            append_decisions(connection, [decision])

        await self._database.run(write)


def append_decisions(connection: Connection, entries: Sequence[Decision]) -> None:
    rows = [
        {
            "environment": str(decision.environment),
            "at": decision.at,
            "what": storable(decision.action),
            "why": storable(decision.reason),
            "by": storable(decision.by),
        }
        for decision in entries
    ]
    if rows:
        connection.execute(insert(decisions), rows)
