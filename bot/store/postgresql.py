"""PostgreSQL: a pool of connections, one transaction for each call."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

import psycopg
import structlog
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.model.errors import StoreUnavailable
from bot.store import schema
from bot.store.database import (
    TRANSACTION_TIMEOUT,
    StoreUnusable,
    T,
    Transaction,
    WorkMark,
    WorkSignal,
    take_work_mark,
    transaction_name,
)

CHANNEL = "greenroom_work"
"""Notified in each transaction that enqueues work."""

_MIGRATION_LOCK = 0x67726E726D  # any number that no other program uses
_RUN_AGAIN = {"40001", "40P01"}  # serialization failure, deadlock
_LISTEN_PAUSE_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class PostgresqlDatabase:
    """`url` as in the settings; the password is never in an error."""

    def __init__(self, url: URL) -> None:
        self.work_signal = WorkSignal()
        self.transactions: Counter[str] = Counter()
        self._url = url.set(drivername="postgresql+psycopg")
        self._safe_url = url.render_as_string(hide_password=True)
        self._engine: AsyncEngine
        self._listener: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._engine = create_async_engine(
            self._url,
            pool_size=5,
            max_overflow=5,
            pool_timeout=TRANSACTION_TIMEOUT.total_seconds(),
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5, "options": "-c synchronous_commit=on -c timezone=UTC"},
        )
        try:
            async with self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, psycopg.Error, OSError) as error:
            await self._engine.dispose()
            raise StoreUnusable(
                f"The database {self._safe_url} cannot be reached ({_driver_message(error)}). Check "
                "that it is running and that host, user, password and database name are correct."
            ) from error
        self._listener = asyncio.create_task(self._listen(), name="store-listen")

    async def migrate(self) -> None:
        try:
            async with self._engine.begin() as connection:
                await connection.run_sync(_migrate)
        except SQLAlchemyError as error:
            raise StoreUnusable(
                f"The tables of {self._safe_url} cannot be created ({_driver_message(error)}). Grant "
                "the user CREATE on that database's schema."
            ) from error

    async def run(self, transaction: Transaction[T]) -> T:
        self.transactions[transaction_name(transaction)] += 1
        try:
            async with asyncio.timeout(TRANSACTION_TIMEOUT.total_seconds()):
                return await _retry_on_conflict(lambda: self._run(transaction))
        except (TimeoutError, PoolTimeout) as error:
            raise StoreUnavailable("The database did not respond in time.") from error
        except (DBAPIError, OSError) as error:
            if isinstance(error, DBAPIError) and not _outage(error):
                raise
            raise StoreUnavailable(
                f"The database rejected the transaction: {_driver_message(error)}."
            ) from error

    async def run_alone(self, transaction: Transaction[None]) -> None:
        """A no-op: other replicas may use the database at any time."""

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        await self._engine.dispose()

    async def _run(self, transaction: Transaction[T]) -> T:
        async with self._engine.begin() as connection:
            result, work = await connection.run_sync(_with_work_mark, transaction)
        self.work_signal.record(work)
        return result

    async def _listen(self) -> None:
        """Notifies of work that other replicas enqueue; without a connection, workers poll."""
        while True:
            try:
                await self._notify_on_message()
            except (psycopg.Error, OSError) as error:
                _log.warning("work notifications interrupted", error=_driver_message(error))
            await asyncio.sleep(_LISTEN_PAUSE_SECONDS)

    async def _notify_on_message(self) -> None:
        address = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await psycopg.AsyncConnection.connect(address, autocommit=True, connect_timeout=5)
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self.work_signal.notify()  # work may have been enqueued before LISTEN
            async for _ in connection.notifies():
                self.work_signal.notify()


def notify(connection: Connection) -> None:
    """Notifies other replicas once this transaction is committed; a no-op on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_notify('{CHANNEL}', '')"))


def _with_work_mark(connection: Connection, transaction: Transaction[T]) -> tuple[T, WorkMark]:
    take_work_mark(connection)  # of an attempt that failed
    result = transaction(connection)
    return result, take_work_mark(connection)


async def _retry_on_conflict(attempt: Callable[[], Awaitable[T]]) -> T:
    """Retries a transaction that PostgreSQL ended to resolve a deadlock or conflict."""
    for _ in range(3):
        try:
            return await attempt()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _RUN_AGAIN:
                raise
    return await attempt()


def _migrate(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
    schema.upgrade(connection)


def _outage(error: DBAPIError) -> bool:
    """Whether the server is the cause: unreachable, full, starting or read-only."""
    return isinstance(error.orig, (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError))


def _driver_message(error: Exception) -> str:
    message = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return message.splitlines()[0] if message else type(error).__name__
