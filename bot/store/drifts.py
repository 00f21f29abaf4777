"""What is known of the drift of stages and demos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select

from bot.model.drift import DriftRecord
from bot.model.environment import EnvironmentKey
from bot.model.work import Claim
from bot.store.database import Database, insert
from bot.store.records import decoder, encode
from bot.store.tables import drifts
from bot.store.work_rows import require_claim

_decode = decoder(DriftRecord)


def read_drifts(connection: Connection, statement: Select[str]) -> list[DriftRecord]:
    """Within a transaction."""
    return [_decode(text) for text in connection.scalars(statement).all()]


class SqlDriftStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: EnvironmentKey) -> DriftRecord | None:
        statement = select(drifts.c.record).where(drifts.c.key == str(key))
        text = await self._database.run(lambda connection: connection.scalar(statement))
        return _decode(text) if text is not None else None

    async def find(self, repository_id: int | None = None) -> Sequence[DriftRecord]:
        """The records of all stages and demos, or of those of a repository, by key."""
        statement = select(drifts.c.record).order_by(drifts.c.key)
        if repository_id is not None:
            statement = statement.where(drifts.c.repository_id == repository_id)
        return await self._database.run(lambda connection: read_drifts(connection, statement))

    async def save(self, claim: Claim, record: DriftRecord) -> None:
        """Superseded unless the claim is held."""
        values: dict[str, Any] = {
            "key": str(record.key),
            "repository_id": record.repository.id,
            "state": record.state.value,
            "checked_at": record.checked_at,
            "record": encode(record),
        }

        def write(connection: Connection) -> None:
            require_claim(connection, claim)
            statement = insert(connection, drifts).values(values)
            changed = {name: value for name, value in values.items() if name != "key"}
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=changed))

        await self._database.run(write)

    async def delete(self, claim: Claim, key: EnvironmentKey) -> None:
        """Superseded unless the claim is held."""

        def write(connection: Connection) -> None:
            require_claim(connection, claim)
            connection.execute(delete(drifts).where(drifts.c.key == str(key)))

        await self._database.run(write)

    async def count(self) -> Mapping[str, int]:
        """Number of stages and demos by state."""
        statement = select(drifts.c.state, func.count()).group_by(drifts.c.state)
        rows = await self._database.run(lambda connection: connection.execute(statement).all())
        return {row[0]: row[1] for row in rows}
