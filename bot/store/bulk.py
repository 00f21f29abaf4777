"""Statements over many rows, prepared once.

Every delivery runs them; building them as SQLAlchemy expressions would take longer than executing them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import Connection

_MOST_ROWS = 64
"""Per statement on SQLite, where each number of rows is a statement of its own."""


class BulkStatement:
    """`statement` refers to the rows as `{rows}`; `columns` has the PostgreSQL type of each of their columns.

    `{lock}` becomes FOR UPDATE on PostgreSQL; SQLite has locked the file already.
    """

    def __init__(self, statement: str, columns: Mapping[str, str]) -> None:
        self._statement = statement
        self._columns = tuple(columns)
        self._sqlite: dict[int, str] = {}
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        recordset = f"jsonb_to_recordset(CAST(%s AS jsonb)) AS rows({typed})"
        self._postgresql = statement.format(rows=recordset, lock="FOR UPDATE")

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> Sequence[Any]:
        """Executes the statement; times are microseconds. Returns the rows of RETURNING or SELECT."""
        if not rows:
            return ()
        if connection.dialect.name == "sqlite":
            return self._run_sqlite(_driver(connection), rows)
        named = [dict(zip(self._columns, row, strict=True)) for row in rows]
        given = (msgspec.json.encode(named).decode(),)
        result = connection.exec_driver_sql(self._postgresql, given)
        return result.all() if result.returns_rows else ()

    def _run_sqlite(self, driver: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> Sequence[Any]:
        results: list[Any] = []
        for start in range(0, len(rows), _MOST_ROWS):
            some = rows[start : start + _MOST_ROWS]
            statement = self._sqlite.get(len(some)) or self._for_sqlite(len(some))
            results += driver.execute(statement, tuple(chain.from_iterable(some)))
        return results

    def _for_sqlite(self, rows: int) -> str:
        named = ", ".join(f"column{number} AS {name}" for number, name in enumerate(self._columns, start=1))
        row = f"({', '.join('?' * len(self._columns))})"
        values = f"(SELECT {named} FROM (VALUES {', '.join([row] * rows)})) AS rows"  # noqa: S608 - our own
        statement = self._sqlite[rows] = self._statement.format(rows=values, lock="")
        return statement


def _driver(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection: SQLAlchemy's overhead is larger than these statements."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver
