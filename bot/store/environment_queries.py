"""Reads environments. Lists are read in pages, so that no transaction and no decoding takes long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from bot.model.delivery import RemovalNotice
from bot.model.environment import Environment, EnvironmentKey, EnvironmentState
from bot.model.environment_summary import EnvironmentSummary
from bot.model.quota import Candidate
from bot.model.repository import Repository
from bot.store import quota, removals
from bot.store.database import Database
from bot.store.environment_rows import read_environment, read_row
from bot.store.tables import environments

_PAGE = 50
"""Records per transaction."""
_SUMMARIES = 500


class EnvironmentQueries:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: EnvironmentKey) -> Environment | None:
        return await self._database.run(lambda connection: read_environment(connection, str(key)))

    async def find(
        self,
        *,
        states: Collection[EnvironmentState] = (),
        repository_id: int | None = None,
        expires_before: datetime | None = None,
        lost_before: datetime | None = None,
    ) -> list[Environment]:
        """Environments that match every given condition, oldest first."""
        conditions: list[ColumnElement[bool]] = []
        if states:
            conditions.append(environments.c.state.in_(states))
        if repository_id is not None:
            conditions.append(environments.c.repository_id == repository_id)
        if expires_before is not None:
            conditions.append(environments.c.expires_at < expires_before)
        if lost_before is not None:
            conditions.append(removals.removed_before(lost_before))
        order = (environments.c.created_at, environments.c.key)
        keys = await self._rows(select(environments.c.key).where(*conditions).order_by(*order))
        records = select(environments).where(*conditions).order_by(*order)
        return await self._read_all(records, [row.key for row in keys])

    async def get_all(self, keys: Collection[EnvironmentKey]) -> list[Environment]:
        """The environments with these keys, as far as they exist."""
        return await self._read_all(select(environments), sorted(map(str, keys)))

    async def repositories(self, states: Collection[EnvironmentState]) -> list[tuple[Repository, int]]:
        """Repositories with environments in these states, and how many."""
        names = (
            environments.c.repository_id,
            environments.c.installation_id,
            environments.c.owner,
            environments.c.repository,
        )
        grouped = select(*names, func.count().label("number")).group_by(*names)
        statement = grouped.where(environments.c.state.in_(states))
        # The newest environment has the current name of a repository that was renamed.
        rows = await self._rows(statement.order_by(func.max(environments.c.created_at)))
        counts: Counter[int] = Counter()
        repositories: dict[int, Repository] = {}
        for row in rows:
            id = row.repository_id
            repositories[id] = Repository(id, row.installation_id, row.owner, row.repository)
            counts[id] += row.number
        return [(repository, counts[id]) for id, repository in repositories.items()]

    async def summaries(
        self, states: Collection[EnvironmentState], keys: Collection[EnvironmentKey] = ()
    ) -> list[EnvironmentSummary]:
        """Environments in these states, and those with these keys."""
        rows = list(await self._rows(_SUMMARY.where(environments.c.state.in_(states))))
        names = sorted(map(str, keys))
        for start in range(0, len(names), _SUMMARIES):
            some = names[start : start + _SUMMARIES]
            rows += await self._rows(_SUMMARY.where(environments.c.key.in_(some)))
        return list({row.key: _summary(row) for row in rows}.values())

    async def keys_on(self, cluster: str) -> list[EnvironmentKey]:
        """All environments that are on a cluster."""
        rows = await self._rows(select(environments.c.key).where(environments.c.cluster == cluster))
        return [EnvironmentKey.parse(row.key) for row in rows]

    async def candidates(self) -> list[Candidate]:
        """Previews that have a slot or wait for one."""
        return await self._database.run(quota.read_candidates)

    async def removal(self, repository: Repository, before: datetime) -> RemovalNotice | None:
        return await self._database.run(
            lambda connection: removals.find_notice(connection, repository, before)
        )

    async def _rows(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        return await self._database.run(lambda connection: connection.execute(statement).all())

    async def _read_all(self, statement: Select[Any], keys: Sequence[str]) -> list[Environment]:
        records: list[Environment] = []
        for start in range(0, len(keys), _PAGE):
            some = environments.c.key.in_(keys[start : start + _PAGE])
            records += await self._read(statement.where(some))
        return records

    async def _read(self, statement: Select[Any]) -> list[Environment]:
        def read(connection: Connection) -> list[Environment]:
            return [read_row(connection, row) for row in connection.execute(statement).all()]

        return await self._database.run(read)


_SUMMARY: Select[Any] = select(
    environments.c.key,
    environments.c.repository_id,
    environments.c.installation_id,
    environments.c.owner,
    environments.c.repository,
    environments.c.namespace,
    environments.c.state,
    environments.c.cluster,
)


def _summary(row: Row[Any]) -> EnvironmentSummary:
    repository = Repository(row.repository_id, row.installation_id, row.owner, row.repository)
    key = EnvironmentKey.parse(row.key)
    return EnvironmentSummary(key, repository, row.namespace, EnvironmentState(row.state), row.cluster)
