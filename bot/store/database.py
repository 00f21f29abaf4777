"""What both databases have in common: transactions are plain functions of a connection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from enum import IntEnum
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from bot.model.errors import GreenroomError

T = TypeVar("T")

Transaction = Callable[[Connection], T]
"""Must not keep the connection; may run again when the database asks for a retry."""

TRANSACTION_TIMEOUT = timedelta(seconds=5)
"""How long a caller waits for a transaction; GitHub times out a webhook after 10 s."""

_WORK_MARK = "greenroom work enqueued"


class StoreUnusable(GreenroomError):
    """The database cannot be opened or does not fit this program; the message has advice."""


class WorkMark(IntEnum):
    """What a transaction enqueued."""

    NONE = 0
    RUNNING = 1
    """Only keys that run: the end of their run makes them due again."""
    DUE = 2


class WorkSignal:
    """Notifies listeners when work may be due; the counter shows notifications between two checks."""

    def __init__(self) -> None:
        self.notifications = 0
        self.changes = 0
        """Number of transactions that enqueued keys, also keys that run and must run again."""
        self._listeners: set[Callable[[], Any]] = set()

    def record(self, mark: WorkMark) -> None:
        """Counts what a committed transaction enqueued, and notifies when a key may be due."""
        if mark is WorkMark.DUE:
            self.notify()
        elif mark is WorkMark.RUNNING:
            self.changes += 1

    def notify(self) -> None:
        self.notifications += 1
        self.changes += 1
        for listener in tuple(self._listeners):
            listener()

    def subscribe(self, listener: Callable[[], Any]) -> Callable[[], None]:
        """Calls the listener at each notification; returns a function that unsubscribes it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)


class Database(Protocol):
    work_signal: WorkSignal
    """Notified after each transaction that enqueued work."""
    transactions: Counter[str]
    """Number of calls of `run`, by the name of the transaction."""

    async def open(self) -> None:
        """Connects; raises StoreUnusable when that fails."""

    async def migrate(self) -> None:
        """Upgrades the tables to this program's version; safe when several replicas start at once."""

    async def run(self, transaction: Transaction[T]) -> T:
        """Runs the transaction and returns its result once it is committed and on disk.

        StoreUnavailable: the outcome is unknown, usually nothing was stored. An error of the function is
        raised unchanged, and nothing is stored.
        """

    async def run_alone(self, transaction: Transaction[None]) -> None:
        """Runs the transaction if no other process can use this database, and keeps others out meanwhile.

        Called once, before this process works.
        """

    async def close(self) -> None: ...


def transaction_name(transaction: Transaction[Any]) -> str:
    """The method that runs the transaction, such as `SqlWorkQueue.claim`; for counting."""
    return transaction.__qualname__.partition(".<locals>")[0]


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT with ON CONFLICT; both dialects have the same methods for it."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def mark_work(connection: Connection, mark: WorkMark) -> None:
    """Within a transaction: passed to the work signal after the commit."""
    connection.info[_WORK_MARK] = max(mark, connection.info.get(_WORK_MARK, WorkMark.NONE))


def take_work_mark(connection: Connection) -> WorkMark:
    """The highest mark since the last call."""
    mark: WorkMark = connection.info.pop(_WORK_MARK, WorkMark.NONE)
    return mark
