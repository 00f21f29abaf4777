"""What environments have requested of their clusters, and when they were used."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, delete, select

from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.repository import Repository
from bot.model.usage import RequestedHours, Usage
from bot.store.database import Database, insert
from bot.store.records import decoder, encode
from bot.store.tables import environments, usages

_decode = decoder(Usage)


class _Hours(msgspec.Struct, gc=False):
    """The part of a record that metrics need."""

    core_hours: float = 0.0
    gibibyte_hours: float = 0.0


_decode_hours = msgspec.json.Decoder(_Hours).decode
_REPOSITORY = (
    environments.c.repository_id,
    environments.c.installation_id,
    environments.c.owner,
    environments.c.repository,
)
_PAGE = 500
"""Records per transaction."""


class SqlUsageStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: EnvironmentKey) -> Usage | None:
        statement = select(usages.c.record).where(usages.c.key == str(key))
        text = await self._database.run(lambda connection: connection.scalar(statement))
        return _decode(text) if text is not None else None

    async def read_all(self) -> Sequence[Usage]:
        """The usages of all environments in the store."""
        statement = select(usages.c.record).order_by(usages.c.key)
        texts = await self._database.run(lambda connection: connection.scalars(statement).all())
        return [_decode(text) for text in texts]

    async def hours(self, states: Collection[EnvironmentState]) -> Sequence[RequestedHours]:
        """The hours of environments in these states; reads no others."""
        joined = environments.join(usages, usages.c.key == environments.c.key)
        columns = (*_REPOSITORY, environments.c.key, usages.c.record)
        statement = select(*columns).select_from(joined).where(environments.c.state.in_(states))
        rows = await self._database.run(lambda connection: connection.execute(statement).all())
        return [_hours(*row) for row in rows]

    async def save(self, changed: Sequence[Usage]) -> None:
        for start in range(0, len(changed), _PAGE):
            await self._write(changed[start : start + _PAGE])

    async def delete(self, keys: Collection[EnvironmentKey]) -> None:
        if keys:
            statement = delete(usages).where(usages.c.key.in_(list(map(str, keys))))
            await self._database.run(lambda connection: connection.execute(statement))

    async def _write(self, changed: Sequence[Usage]) -> None:
        rows = [{"key": str(usage.key), "record": encode(usage)} for usage in changed]

        def write(connection: Connection) -> None:
            statement = insert(connection, usages)
            newer = {"record": statement.excluded.record}
            connection.execute(
                statement.on_conflict_do_update(index_elements=[usages.c.key], set_=newer), rows
            )

        await self._database.run(write)


def _hours(
    repository_id: int, installation_id: int, owner: str, name: str, key: str, record: str
) -> RequestedHours:
    usage = _decode_hours(record)
    repository = Repository(repository_id, installation_id, owner, name)
    return RequestedHours(EnvironmentKey.parse(key), repository, usage.core_hours, usage.gibibyte_hours)
