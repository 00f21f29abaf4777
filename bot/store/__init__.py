"""Tables, work queue and migrations, on SQLite and on PostgreSQL."""

from bot.store.database import StoreUnusable
from bot.store.store import Store

__all__ = ["Store", "StoreUnusable"]
