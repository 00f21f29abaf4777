"""What was decided and why: written when it is decided, never changed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from bot.model.environment import Decision, EnvironmentKey
from bot.model.work import Claim
from bot.store.database import Database
from bot.store.queue import hold
from bot.store.tables import decisions, storable


class Journal:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def decisions(self, key: EnvironmentKey, limit: int = 50) -> list[Decision]:
        """The newest first."""
        statement = (
            select(decisions)
            .where(decisions.c.environment == str(key))
            .order_by(decisions.c.id.desc())
            .limit(limit)
        )
        rows = await self._database.run(lambda connection: connection.execute(statement).all())
        return [Decision(key, row.at, row.what, row.why, row.by) for row in rows]

    async def record(self, claim: Claim, decision: Decision) -> None:
        """For what changes no environment's record; Superseded unless the claim is still held."""

        def write(connection: Connection) -> None:
            hold(connection, claim)
            append(connection, [decision])

        await self._database.run(write)


def append(connection: Connection, made: Sequence[Decision]) -> None:
    rows = [
        {
            "environment": str(decision.environment),
            "at": decision.at,
            "what": storable(decision.what),
            "why": storable(decision.why),
            "by": storable(decision.by),
        }
        for decision in made
    ]
    if rows:
        connection.execute(insert(decisions), rows)
