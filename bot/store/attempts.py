"""History of attempts: written with each save of an environment, deleted by age."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from bot.model.attempt import DeploymentAttempt
from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.environment import Environment, EnvironmentKey, Phase, Status
from bot.store.database import Database, insert
from bot.store.records import decoder, encode
from bot.store.tables import attempts, storable

_read_status = decoder(Status)
_read_failure = decoder(NamespaceDiagnostics)
_MAX_FAILURE = 400_000
"""Characters of stored events and logs; more are not stored."""


class SqlAttempts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_environment(self, key: EnvironmentKey, limit: int) -> list[DeploymentAttempt]:
        """The newest first, without events and logs."""
        columns = (attempts.c.environment, attempts.c.started_at, attempts.c.updated_at, attempts.c.status)
        statement = (
            select(*columns)
            .where(attempts.c.environment == str(key))
            .order_by(attempts.c.started_at.desc())
            .limit(limit)
        )

        def read(connection: Connection) -> list[DeploymentAttempt]:
            return [_attempt(row, None) for row in connection.execute(statement).all()]

        return await self._database.run(read)

    async def get(self, key: EnvironmentKey, started_at: datetime) -> DeploymentAttempt | None:
        statement = select(attempts).where(
            attempts.c.environment == str(key), attempts.c.started_at == started_at
        )
        row = await self._database.run(lambda connection: connection.execute(statement).one_or_none())
        return _attempt(row, row.failure) if row is not None else None

    async def forget_failures(self, before: datetime) -> int:
        """Deletes the events and logs of attempts that changed last before that time. Returns how many."""
        old = (attempts.c.failure.is_not(None), attempts.c.updated_at < before)
        statement = update(attempts).where(*old).values(failure=None)
        return await self._database.run(lambda connection: connection.execute(statement).rowcount)


def save_attempt(
    connection: Connection, environment: Environment, failure: NamespaceDiagnostics | None, now: datetime
) -> None:
    """Within the transaction that saves the environment."""
    status = environment.status
    first = status.phases.get(Phase.CONFIGURATION)
    if first is None:
        return
    values: dict[str, Any] = {"updated_at": now, "status": encode(status)}
    if failure is not None and len(text := encode(failure)) <= _MAX_FAILURE:
        values["failure"] = storable(text, _MAX_FAILURE)
    row: Mapping[str, Any] = {
        "environment": str(environment.key),
        "started_at": first.started_at,
        **values,
    }
    statement = insert(connection, attempts).values(row)
    keys = [attempts.c.environment, attempts.c.started_at]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


def _attempt(row: Any, failure: str | None) -> DeploymentAttempt:
    return DeploymentAttempt(
        EnvironmentKey.parse(row.environment),
        row.started_at,
        row.updated_at,
        _read_status(row.status),
        _read_failure(failure) if failure else None,
    )
