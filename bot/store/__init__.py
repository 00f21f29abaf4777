"""Tables, queue and migrations: the one room that speaks SQL, on SQLite and on PostgreSQL."""

from bot.store.errors import StoreUnusable
from bot.store.store import Store

__all__ = ["Store", "StoreUnusable"]
