"""The store counts its transactions by the method that runs them."""

from __future__ import annotations

from pathlib import Path

from bot.model.work import WorkKey
from tests.stores import new_store


async def test_store_counts_transactions_by_method(tmp_path: Path) -> None:
    store = await new_store(tmp_path / "greenroom.db")
    store.transactions.clear()
    await store.queue.enqueue([WorkKey("sweep", "expiry")])
    await store.queue.claim("worker", 1, 15)
    await store.queue.claim("worker", 1, 15)
    assert store.transactions == {"SqlWorkQueue.enqueue": 1, "SqlWorkQueue.claim": 2}
    await store.close()
