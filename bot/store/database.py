"""A transaction is a plain function of a connection: the same function runs on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")

Transaction = Callable[[Connection], T]
"""Must not keep the connection, and may be run again when the database asks for it."""

TRANSACTION_TIMEOUT = timedelta(seconds=5)
"""How long a caller waits for a transaction; GitHub itself gives up on a webhook after 10 s."""


class WorkSignal:
    """Rings when there may be work: counted, so that a ring between two looks is not missed."""

    def __init__(self) -> None:
        self.notifications = 0
        self._listeners: set[Callable[[], Any]] = set()

    def notify(self) -> None:
        self.notifications += 1
        for listener in tuple(self._listeners):
            listener()

    def subscribe(self, listener: Callable[[], Any]) -> Callable[[], None]:
        """Calls the listener at each ring; gives what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)


def transaction_name(transaction: Transaction[Any]) -> str:
    """The method that runs the transaction, such as `Queue.claim`; for counting."""
    return transaction.__qualname__.partition(".<locals>")[0]


class Database(Protocol):
    work_signal: WorkSignal
    transactions: Counter[str]
    """Number of calls of `run`, by the name of the transaction."""

    async def open(self) -> None:
        """Connects; StoreUnusable when that cannot work."""

    async def migrate(self) -> None:
        """Brings the tables to this program's version; safe when several replicas start at once."""

    async def run(self, transaction: Transaction[T]) -> T:
        """Returns once it is committed, and on disk. StoreUnavailable: nothing was remembered, or nobody
        knows whether it was. An error of the function itself is raised as it is; nothing is remembered."""

    async def run_alone(self, transaction: Transaction[None]) -> None:
        """Runs it if it is certain that no other process works on this database, and lets none begin before
        it is done; called once, before this process works."""

    async def close(self) -> None: ...
