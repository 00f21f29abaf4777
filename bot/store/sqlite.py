"""SQLite: one connection, one common transaction for all that wait, one fsync for all of them.

Statements run on the event loop's thread, where they take microseconds. What can wait for the disk (COMMIT,
and BEGIN while another process holds the file) runs in a thread of its own. Whole transactions in that thread
would cost more than the fsync: each statement releases the interpreter lock and competes for it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic

from sqlalchemy import Connection, Engine, StaticPool, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError

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
from bot.store.process_lock import ProcessLock
from bot.store.unusable import unusable_reason

_BUSY_MILLISECONDS = 4000
"""How long to wait for another process that holds the file before the store counts as unavailable."""
_CHECKPOINT_PAGES = 8000
"""32 MB between two checkpoints: commits wait while the log is copied back."""
_STATEMENTS = 512
"""Size of the cache of prepared statements; bulk statements differ by their number of rows."""


class GroupedTransaction(Generic[T]):
    """One caller's transaction within the common one."""

    def __init__(self, transaction: Transaction[T]) -> None:
        self.answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.work = WorkMark.NONE
        self._transaction = transaction
        self._result: T
        self._error: Exception | None = None

    def perform(self, connection: Connection, driver: sqlite3.Connection) -> None:
        """Runs it in a savepoint; an error is raised only when it ended the common transaction."""
        driver.execute("SAVEPOINT unit")
        try:
            self._result = self._transaction(connection)
        except Exception as error:
            if not driver.in_transaction:
                raise
            driver.execute("ROLLBACK TO unit")
            self._error = _unavailable(error) if isinstance(error, OperationalError) else error
        driver.execute("RELEASE unit")
        mark = take_work_mark(connection)
        self.work = mark if self._error is None else WorkMark.NONE

    def committed(self) -> None:
        if self.answer.done():
            return
        if self._error is None:
            self.answer.set_result(self._result)
        else:
            self.answer.set_exception(self._error)

    def failed(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class SqliteDatabase:
    """`path` names the file; its directory must exist, and with `create=False` the file as well."""

    def __init__(self, path: Path, create: bool) -> None:
        self.work_signal = WorkSignal()
        self.transactions: Counter[str] = Counter()
        self._path = path
        self._create = create
        self._executor = ThreadPoolExecutor(1, "store-commit")
        self._engine: Engine
        self._connection: Connection
        self._driver: sqlite3.Connection
        self._process_lock: ProcessLock | None = None
        self._waiting: list[GroupedTransaction[Any]] = []
        self._in_flight: list[GroupedTransaction[Any]] = []
        self._group_commit: asyncio.Task[None] | None = None
        self._stalled = False

    async def open(self) -> None:
        try:
            if not self._create and not self._path.is_file():
                advice = "Create it with `greenroom migrate` or `greenroom serve`."
                raise StoreUnusable(f"There is no database {self._path.resolve()}. {advice}")
            self._driver = await self._in_thread(self._connect)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnusable(_advice(self._path, error)) from None
        self._engine = create_engine("sqlite://", creator=lambda: self._driver, poolclass=StaticPool)
        self._connection = self._engine.connect()

    async def migrate(self) -> None:
        try:
            await self._in_thread(self._migrate)
        except (sqlite3.Error, DBAPIError) as error:
            raise StoreUnusable(_advice(self._path, error)) from None

    async def run(self, transaction: Transaction[T]) -> T:
        self.transactions[transaction_name(transaction)] += 1
        if self._stalled:
            raise self._disk_timeout()
        unit = GroupedTransaction(transaction)
        self._waiting.append(unit)
        if self._group_commit is None:
            self._group_commit = asyncio.create_task(self._run_batches(), name="store")
        return await unit.answer

    async def run_alone(self, transaction: Transaction[None]) -> None:
        try:
            self._process_lock = lock = ProcessLock(self._path)
        except OSError as error:
            raise StoreUnusable(_advice(self._path, error)) from None
        if await self._in_thread(lock.acquire_exclusive):
            await self.run(transaction)
        await self._in_thread(lock.acquire_shared)

    async def close(self) -> None:
        if self._group_commit is not None:
            await asyncio.wait([self._group_commit], timeout=TRANSACTION_TIMEOUT.total_seconds())
        if not self._stalled:
            self._connection.close()
            self._engine.dispose()
            await self._in_thread(self._driver.close)
        self._executor.shutdown(wait=not self._stalled)
        if self._process_lock is not None:
            self._process_lock.close()

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    async def _run_batches(self) -> None:
        """While transactions wait: runs all of them, commits once, resolves their futures."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            watchdog = loop.call_later(TRANSACTION_TIMEOUT.total_seconds(), self._stall)
            try:
                await self._run_batch()
                for unit in self._in_flight:
                    unit.committed()
                self.work_signal.record(max(unit.work for unit in self._in_flight))
            except Exception as error:
                reason = _unavailable(error) if isinstance(error, (sqlite3.Error, DBAPIError)) else error
                for unit in self._in_flight or self._take_waiting():
                    unit.failed(reason)
            finally:
                watchdog.cancel()
                self._in_flight = []
                self._stalled = False
        self._group_commit = None

    async def _run_batch(self) -> None:
        await self._begin()
        self._in_flight = self._take_waiting()
        changes = self._driver.total_changes
        with self._connection.begin():
            for unit in self._in_flight:
                unit.perform(self._connection, self._driver)
            if self._driver.total_changes != changes:
                await self._in_thread(self._driver.commit)

    async def _begin(self) -> None:
        try:
            self._driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            await self._in_thread(self._begin_after_waiting)

    def _begin_after_waiting(self) -> None:
        self._driver.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        try:
            self._driver.execute("BEGIN IMMEDIATE")
        finally:
            self._driver.execute("PRAGMA busy_timeout = 0")

    def _take_waiting(self) -> list[GroupedTransaction[Any]]:
        """All waiting transactions except those whose caller was cancelled."""
        taken, self._waiting = self._waiting, []
        return [unit for unit in taken if not unit.answer.done()]

    def _stall(self) -> None:
        """The disk does not respond: fails all callers now, and new ones until it responds again."""
        self._stalled = True
        for unit in [*self._in_flight, *self._take_waiting()]:
            unit.failed(self._disk_timeout())

    def _disk_timeout(self) -> StoreUnavailable:
        return StoreUnavailable(f"The disk under {self._path} does not respond.")

    def _connect(self) -> sqlite3.Connection:
        driver = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
        )
        try:
            driver.execute("PRAGMA journal_mode = WAL")
            driver.execute("PRAGMA synchronous = FULL")
            driver.execute("PRAGMA foreign_keys = ON")
            # Savepoints need no temporary file.
            driver.execute("PRAGMA temp_store = MEMORY")
            driver.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            driver.execute("BEGIN IMMEDIATE")  # fails here when the file is read-only
            driver.execute("ROLLBACK")
            driver.execute("PRAGMA busy_timeout = 0")
        except sqlite3.Error:
            driver.close()
            raise
        return driver

    def _migrate(self) -> None:
        self._begin_after_waiting()
        try:
            with self._connection.begin():
                schema.upgrade(self._connection)
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._driver.rollback()


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"The database rejected the transaction: {_driver_message(error)}.")


def _driver_message(error: Exception) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error)


def _advice(path: Path, error: Exception) -> str:
    return f"The database {path} cannot be used ({_driver_message(error)}): {unusable_reason(path)}."
