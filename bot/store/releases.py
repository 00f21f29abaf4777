"""Releases that can be promoted: written once, found again by their id or their commit."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from sqlalchemy import Connection, Select, select, update

from bot.model.release import PromotableRelease
from bot.store.database import Database
from bot.store.dialect import insert
from bot.store.tables import releases

_read = msgspec.json.Decoder(PromotableRelease).decode


class Releases:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, release: PromotableRelease) -> None:
        """A release that is known already is left as it is."""
        row = {
            "id": release.id,
            "repository_id": release.repository_id,
            "commit": release.commit,
            "body": msgspec.json.encode(release).decode(),
            "made_at": release.made_at,
        }

        def write(connection: Connection) -> None:
            connection.execute(insert(connection, releases).values(row).on_conflict_do_nothing())

        await self._database.run(write)

    async def get(self, repository_id: int, id: str) -> PromotableRelease | None:
        statement = select(releases.c.body).where(
            releases.c.id == id, releases.c.repository_id == repository_id
        )
        return await self._one(statement)

    async def of_commit(self, repository_id: int, commit: str) -> PromotableRelease | None:
        """The one that was made last: another configuration of the same commit is another release."""
        statement = (
            select(releases.c.body)
            .where(releases.c.repository_id == repository_id, releases.c.commit == commit)
            .order_by(releases.c.made_at.desc(), releases.c.id)
            .limit(1)
        )
        return await self._one(statement)

    async def newest(self, repository_id: int, limit: int = 20) -> list[PromotableRelease]:
        statement = (
            select(releases.c.body)
            .where(releases.c.repository_id == repository_id)
            .order_by(releases.c.made_at.desc(), releases.c.id)
            .limit(limit)
        )
        bodies = await self._database.run(lambda connection: list(connection.scalars(statement)))
        return [_read(body) for body in bodies]

    async def learn_tree(self, release: PromotableRelease, tree: str) -> PromotableRelease:
        """What its commit's tree is called; it belongs to the commit and never changes."""
        known = replace(release, tree=tree)
        statement = (
            update(releases)
            .where(releases.c.id == release.id)
            .values(body=msgspec.json.encode(known).decode())
        )
        await self._database.run(lambda connection: connection.execute(statement))
        return known

    async def _one(self, statement: Select[str]) -> PromotableRelease | None:
        body = await self._database.run(lambda connection: connection.scalar(statement))
        return _read(body) if body is not None else None
