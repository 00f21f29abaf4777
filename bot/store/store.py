"""Facade of the store: one object per table or concern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, make_url, select
from sqlalchemy.exc import ArgumentError

from bot.environments.ports import Clock
from bot.store.attempts import SqlAttempts
from bot.store.audit import SqlAuditLog
from bot.store.changes import SqlChanges
from bot.store.commands import SqlCommandStore
from bot.store.dashboard import SqlDashboard
from bot.store.database import Database, StoreUnusable
from bot.store.deliveries import SqlDeliveryStore
from bot.store.drifts import SqlDriftStore
from bot.store.environments import SqlEnvironmentStore
from bot.store.history import SqlHistory
from bot.store.identity import SqlIdentity
from bot.store.journal import SqlDecisionJournal
from bot.store.postgresql import PostgresqlDatabase
from bot.store.promotions import SqlPromotionStore
from bot.store.queue import Reader, SqlWorkQueue
from bot.store.releases import SqlReleaseStore
from bot.store.rollout_orders import SqlRolloutOrders
from bot.store.snapshots import SqlSnapshots
from bot.store.sqlite import SqliteDatabase
from bot.store.statistics import SqlStatistics
from bot.store.tables import tokens
from bot.store.usages import SqlUsageStore

_URLS = "sqlite:///greenroom.db (a path after three slashes) or postgresql://user:password@host/database"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """Everything that must survive a restart. Any call may raise StoreUnavailable."""

    deliveries: SqlDeliveryStore
    queue: SqlWorkQueue
    environments: SqlEnvironmentStore
    journal: SqlDecisionJournal
    commands: SqlCommandStore
    promotions: SqlPromotionStore
    releases: SqlReleaseStore
    audit: SqlAuditLog
    statistics: SqlStatistics
    history: SqlHistory
    identity: SqlIdentity
    drifts: SqlDriftStore
    usages: SqlUsageStore
    snapshots: SqlSnapshots
    dashboard: SqlDashboard
    attempts: SqlAttempts
    changes: SqlChanges

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.deliveries = SqlDeliveryStore(database, clock)
        self.environments = SqlEnvironmentStore(database, clock)
        self.journal = SqlDecisionJournal(database)
        self.commands = SqlCommandStore(database, clock)
        self.promotions = SqlPromotionStore(database, clock)
        self.rollout_orders = SqlRolloutOrders(database)
        self.snapshots = SqlSnapshots(database, clock)
        readers: Mapping[str, Reader] = {
            "command": self.commands.read_claimed,
            "environment": self.environments.read_claimed,
            "promotion": self.promotions.read_claimed,
            "snapshot": self.snapshots.read_claimed,
        }
        self.queue = SqlWorkQueue(database, clock, readers)
        self.releases = SqlReleaseStore(database)
        self.audit = SqlAuditLog(database)
        self.statistics = SqlStatistics(database, clock)
        self.history = SqlHistory(database)
        self.identity = SqlIdentity(database, clock)
        self.drifts = SqlDriftStore(database)
        self.dashboard = SqlDashboard(database)
        self.usages = SqlUsageStore(database)
        self.attempts = SqlAttempts(database)
        self.changes = SqlChanges(database, clock)

    @classmethod
    async def open(cls, url: str, clock: Clock = utc_now, *, create: bool = True) -> Store:
        """Connects to `sqlite:///PATH` or `postgresql://…`; raises StoreUnusable with advice.

        With `create=False` a SQLite file must exist.
        """
        database = _database(url, create)
        await database.open()
        return cls(database, clock)

    @property
    def transactions(self) -> Counter[str]:
        """Number of transactions so far, by the name of the method that runs them."""
        return self._database.transactions

    async def migrate(self) -> None:
        """Creates or upgrades the tables and ends the leases of killed processes; call it first.

        Raises StoreUnusable with advice.
        """
        await self._database.migrate()
        await self.identity.create()
        await self.queue.void_leases()

    async def ping(self) -> None:
        """Reads one row; returns when the database responds."""
        await self._database.run(lambda connection: connection.scalar(select(tokens.c.last)))

    async def close(self) -> None:
        """Finishes running transactions; later calls are errors."""
        await self._database.close()


def _database(text: str, create: bool) -> Database:
    try:
        url: URL = make_url(text)
    except ArgumentError:
        raise StoreUnusable(f"The database URL cannot be parsed. Use {_URLS}.") from None
    kind = url.get_backend_name()
    if kind == "sqlite" and url.database and url.database != ":memory:":
        return SqliteDatabase(Path(url.database), create)
    if kind in ("postgresql", "postgres"):
        return PostgresqlDatabase(url)
    raise StoreUnusable(f"Unsupported database {kind!r}, or no file. Use {_URLS}.")
