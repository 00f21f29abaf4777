"""Documents by digest, and indexes for stores with years of history.

The columns with documents are renamed, so that a replica of the previous version, which a rolling update may
still run, fails instead of taking a digest for a text.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_BATCH = 500

Replace = Callable[[Any, str], None]
"""Replaces the text of a field with its digest."""


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    _extract("environments", "key", "attempt", "progress", _of_attempt)
    _extract("environments", "key", "wishes", "overrides", _of_target)
    _extract("stages", "key", "body", "record", _of_stage)
    _extract("promotions", "id", "body", "record", _of_promotion)
    op.add_column("environments", sa.Column("kind", sa.Text, nullable=False, server_default="preview"))
    op.execute("UPDATE environments SET kind = 'stage' WHERE key LIKE 'stage/%'")
    op.execute("UPDATE environments SET kind = 'demo' WHERE key LIKE 'demo/%'")
    _create_indexes()


def _create_indexes() -> None:
    op.drop_index("environments_by_repository", "environments")
    op.create_index("environments_by_repository", "environments", ["repository_id", "state"])
    _partial_index("environments_pinned", "environments", ["kind"], "kind != 'preview'")
    _partial_index("environments_open", "environments", ["repository_id"], "hinted_open IS true")
    _partial_index(
        "environments_deleted",
        "environments",
        ["state", "updated_at"],
        "state = 'gone' AND hinted_open IS false",
    )
    op.create_index("decisions_by_time", "decisions", ["at"])
    op.create_index("releases_by_repository", "releases", ["repository_id", "made_at"])
    op.create_index("releases_by_time", "releases", ["made_at"])
    op.drop_index("promotions_by_stage", "promotions")
    op.create_index("promotions_by_stage", "promotions", ["stage", "requested_at"])
    _partial_index("promotions_open", "promotions", ["repository_id", "requested_at"], "ended IS false")
    _partial_index("promotions_open_of_stage", "promotions", ["stage", "requested_at"], "ended IS false")
    op.create_index("audit_by_stage", "audit", ["repository_id", "stage", "id"])


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    on_sqlite = condition.replace("IS true", "IS 1").replace("IS false", "IS 0")
    op.create_index(
        name, table, columns, sqlite_where=sa.text(on_sqlite), postgresql_where=sa.text(condition)
    )


def _extract(table: str, key: str, column: str, new: str, extract: Callable[[Any, Replace], None]) -> None:
    """Moves the documents of the column's records to their own table, and renames the column."""
    connection = op.get_bind()
    rows = sa.table(table, sa.column(key), sa.column(column))
    documents = sa.table("documents", sa.column("digest"), sa.column("body"))
    stored = set(connection.scalars(sa.select(documents.c.digest)))
    for batch in _batches(connection, rows, key, column):
        texts: dict[str, str] = {}

        def replace(record: Any, field: str, texts: dict[str, str] = texts) -> None:
            if record and record.get(field):
                digest = hashlib.sha256(record[field].encode()).hexdigest()
                texts[digest], record[field] = json.dumps(record[field]), digest

        changed = []
        for id, text in batch:
            record = json.loads(text)
            extract(record, replace)
            changed.append({"row": id, "text": json.dumps(record, separators=(",", ":"))})
        if new_ones := [{"digest": digest, "body": texts[digest]} for digest in texts.keys() - stored]:
            connection.execute(sa.insert(documents), new_ones)
            stored |= texts.keys()
        statement = sa.update(rows).where(rows.c[key] == sa.bindparam("row"))
        connection.execute(statement.values({column: sa.bindparam("text")}), changed)
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO {new}")


def _batches(connection: sa.Connection, rows: Any, key: str, column: str) -> Iterator[list[Any]]:
    statement = sa.select(rows.c[key], rows.c[column]).order_by(rows.c[key]).limit(_BATCH)
    batch = connection.execute(statement).all()
    while batch:
        yield list(batch)
        batch = connection.execute(statement.where(rows.c[key] > batch[-1][0])).all()


def _of_attempt(attempt: Any, replace: Replace) -> None:
    replace(attempt, "configuration")
    _of_target(attempt.get("wishes", {}), replace)


def _of_target(record: Any, replace: Replace) -> None:
    replace(record.get("target"), "configuration")


def _of_stage(stage: Any, replace: Replace) -> None:
    for record in (stage, *stage.get("verified", ())):
        _of_target(record, replace)


def _of_promotion(promotion: Any, replace: Replace) -> None:
    replace(promotion, "policy")
    replace(promotion, "configuration")
    replace(promotion.get("back_to"), "configuration")
