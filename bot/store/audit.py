"""Audit log of stages: append-only."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, literal_column, select

from bot.model.promotion import AuditEntry
from bot.store.database import Database
from bot.store.tables import audit, storable

VOUCHED = "vouched"
"""Action of a user who vouches for the unknown authors of a commit."""


class SqlAuditLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def entries(
        self,
        repository_id: int | None = None,
        *,
        stage: str | None = None,
        promotion: str | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Entries that match every given condition, newest first."""
        statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if repository_id is not None:
            statement = statement.where(audit.c.repository_id == repository_id)
        if stage is not None:
            statement = statement.where(audit.c.stage == stage)
        if promotion is not None:
            statement = statement.where(audit.c.promotion == promotion)
        rows = await self._database.run(lambda connection: connection.execute(statement).all())
        return [
            AuditEntry(
                row.at,
                row.repository_id,
                row.stage,
                row.promotion,
                row.who,
                row.what,
                row.why,
                row.before,
                row.after,
                row.token,
            )
            for row in rows
        ]


def append_entries(connection: Connection, entries: Sequence[AuditEntry], token: str) -> None:
    """Within the transaction that the entries describe; `token` identifies the comment or call behind it."""
    rows = [
        {
            "at": entry.at,
            "repository_id": entry.repository_id,
            "token": token,
            "stage": storable(entry.stage),
            "promotion": storable(entry.promotion),
            "who": storable(entry.actor),
            "what": storable(entry.action),
            "why": storable(entry.reason),
            "before": storable(entry.before),
            "after": storable(entry.after),
        }
        for entry in entries
    ]
    if rows:
        connection.execute(insert(audit), rows)


def vouchers(connection: Connection, repository_id: int, commit: str) -> list[str]:
    """Users who vouched for a commit."""
    statement = select(audit.c.who).where(
        audit.c.repository_id == repository_id, audit.c.what == VOUCHED, audit.c.after == commit
    )
    return sorted(set(connection.scalars(statement)))


def carried_out(
    connection: Connection, repository_id: int, token: str, stage: str | None = None
) -> str | None:
    """The promotion that a comment or call concerned ("" for none); None when it was not executed yet."""
    statement = select(audit.c.promotion).where(
        audit.c.token == token, audit.c.token != literal_column("''"), audit.c.repository_id == repository_id
    )
    if stage is not None:
        statement = statement.where(audit.c.stage == stage)
    return connection.scalar(statement.order_by(audit.c.id).limit(1))
