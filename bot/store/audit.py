"""Who did what to a stage, when and why: appended, never changed, never removed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, literal_column, select

from bot.model.promotion import AuditEntry
from bot.store.database import Database
from bot.store.tables import audit, storable


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
        """Those that fit every given condition, the newest first."""
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
    """Within the transaction that does what they tell, asked for by whatever has the token."""
    rows = [
        {
            "at": entry.at,
            "repository_id": entry.repository_id,
            "token": token,
            **{
                name: storable(getattr(entry, name))
                for name in ("stage", "promotion", "who", "what", "why", "before", "after")
            },
        }
        for entry in entries
    ]
    if rows:
        connection.execute(insert(audit), rows)


def carried_out(
    connection: Connection, repository_id: int, token: str, stage: str | None = None
) -> str | None:
    """Which promotion a comment or call was about ("" for none), if it was carried out already."""
    statement = select(audit.c.promotion).where(
        audit.c.token == token, audit.c.token != literal_column("''"), audit.c.repository_id == repository_id
    )
    if stage is not None:
        statement = statement.where(audit.c.stage == stage)
    return connection.scalar(statement.order_by(audit.c.id).limit(1))
