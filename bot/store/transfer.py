"""Copies a store with its history into an empty database of either kind."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, Engine, Table, create_engine, func, insert, make_url, select, update
from sqlalchemy.exc import SQLAlchemyError

from bot.store.database import StoreUnusable
from bot.store.store import Store
from bot.store.tables import audit, decisions, identity, metadata, tokens

_ROWS = 500


async def copy(source: str, target: str) -> int:
    """Copies all rows of one moment in one transaction, and returns their number.

    The target is a new store: its id differs, so that both never work at once. Raises StoreUnusable.
    """
    await _prepare(source, create=False)
    await _prepare(target, create=True)
    return await asyncio.to_thread(_copy, source, target)


async def _prepare(url: str, *, create: bool) -> None:
    """Both databases need the tables of this version."""
    store = await Store.open(url, create=create)
    try:
        await store.migrate()
    finally:
        await store.close()


def _copy(source: str, target: str) -> int:
    engines = _engine(source), _engine(target)
    try:
        with engines[0].connect() as before, engines[1].begin() as after:
            if before.dialect.name == "sqlite":
                before.exec_driver_sql("BEGIN")  # the driver begins none for a read
            else:
                before = before.execution_options(isolation_level="REPEATABLE READ")
            tables = [table for table in metadata.sorted_tables if table not in (identity, tokens)]
            if any(after.scalar(select(func.count()).select_from(table)) for table in tables):
                raise StoreUnusable("The target database is not empty. Use a new one.")
            after.execute(update(tokens).values(last=before.scalar(select(tokens.c.last))))
            return sum(_copy_table(table, before, after) for table in tables)
    except SQLAlchemyError as error:
        raise StoreUnusable(f"The store was not copied: {type(error).__name__}: {error}") from None
    finally:
        for engine in engines:
            engine.dispose()


def _copy_table(table: Table, before: Connection, after: Connection) -> int:
    numbered = table in (audit, decisions)  # the database assigns the numbers, in the same order
    columns = [column for column in table.c if not (numbered and column.name == "id")]
    statement = select(*columns).order_by(*table.primary_key).execution_options(yield_per=_ROWS)
    count = 0
    for rows in before.execute(statement).mappings().partitions():
        after.execute(insert(table), [dict(row) for row in rows])
        count += len(rows)
    return count


def _engine(text: str) -> Engine:
    url = make_url(text)
    return create_engine(
        url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg")
    )
