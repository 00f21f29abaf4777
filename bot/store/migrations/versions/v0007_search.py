"""The text by which the dashboard finds an environment."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_BATCH = 500


def upgrade() -> None:
    op.add_column("environments", sa.Column("search_text", sa.Text, nullable=False, server_default=""))
    names = ("key", "owner", "repository", "progress", "search_text")
    rows = sa.table("environments", *map(sa.column, names))
    connection, after = op.get_bind(), ""
    while batch := connection.execute(
        sa.select(rows).where(rows.c.key > after).order_by(rows.c.key).limit(_BATCH)
    ).all():
        after = batch[-1].key
        texts = [{"row": row.key, "text": _text(row)} for row in batch]
        statement = sa.update(rows).where(rows.c.key == sa.bindparam("row"))
        connection.execute(statement.values(search_text=sa.bindparam("text")), texts)


def _text(row: sa.Row[tuple[str, str, str, str, str]]) -> str:
    kind, _, name = row.key.split("/", 2)
    pull = json.loads(row.progress).get("pull_request") or {}
    mark = "#" if kind == "preview" else ":"
    words = [f"{row.owner}/{row.repository}{mark}{name}"]
    words += [pull.get(field) or "" for field in ("title", "head_ref", "author")]
    return " ".join(words).lower().replace("\x00", "\ufffd")
