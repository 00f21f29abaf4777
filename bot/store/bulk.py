"""One statement over many rows, for the path that every delivery takes.

The rows travel as one JSON parameter: one statement for a whole batch, and nothing of it is put together
anew each time. Building the same with expressions costs more than the database needs for all of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection


class Bulk:
    """`statement` names the rows as `{rows}`; `columns` gives each column of them its PostgreSQL type.

    `{lock}` is where PostgreSQL locks what it reads; SQLite has locked everything already.
    """

    def __init__(self, statement: str, columns: Mapping[str, str]) -> None:
        extracted = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        objects = f"(SELECT {extracted} FROM json_each(?)) AS rows"  # noqa: S608 - our own column names
        self._sqlite = statement.format(rows=objects, lock="")
        recordset = f"jsonb_to_recordset(CAST(%s AS jsonb)) AS rows({typed})"
        self._postgresql = statement.format(rows=recordset, lock="FOR UPDATE")

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """Moments are given as microseconds. What the statement returns, if it returns rows."""
        if not rows:
            return ()
        given = (msgspec.json.encode(rows).decode(),)
        if connection.dialect.name == "sqlite":
            return _driver(connection).execute(self._sqlite, given).fetchall()
        result = connection.exec_driver_sql(self._postgresql, given)
        return result.all() if result.returns_rows else ()


def _driver(connection: Connection) -> sqlite3.Connection:
    """Past everything that SQLAlchemy does around a statement, which takes longer than the statement."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver
