"""Which store this is, and since when it has missed nothing."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from sqlalchemy import Connection, select, update

from bot.environments.ports import Clock
from bot.model.snapshot import StoreIdentity
from bot.store.database import Database, insert
from bot.store.tables import identity, tokens


class SqlIdentity:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.complete_since = datetime.min.replace(tzinfo=UTC)
        """Time since which the store has missed nothing, as read last."""

    async def create(self) -> None:
        """Gives a new store its id."""
        row = {"number": 1, "id": secrets.token_hex(8), "complete_since": self._clock()}

        def create(connection: Connection) -> None:
            connection.execute(insert(connection, identity).values(row).on_conflict_do_nothing())

        await self._database.run(create)

    async def read(self) -> StoreIdentity:
        statement = select(identity.c.id, identity.c.complete_since, tokens.c.last).join_from(
            identity, tokens, identity.c.number == tokens.c.id
        )
        read = await self._database.run(
            lambda connection: StoreIdentity(*connection.execute(statement).one())
        )
        self.complete_since = read.complete_since
        return read

    async def restored(self, token: int) -> datetime:
        """Records that others may have worked since, with tokens up to `token`; returns the current time."""
        now = self._clock()

        def restart(connection: Connection) -> None:
            connection.execute(update(identity).values(complete_since=now))
            connection.execute(update(tokens).where(tokens.c.last < token).values(last=token))

        await self._database.run(restart)
        return now
