"""Time of operations on a filled store, and how long they block the event loop, on both databases."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert

from bot.store import Store
from bot.store.documents import keeper
from bot.store.records import Keep
from tests import postgresql
from tests.bench.figures import Figures, Goal

Operation = Callable[[], Awaitable[Any]]
Fill = Callable[[Store], Awaitable[None]]
Operations = Callable[[Store], AbstractAsyncContextManager[dict[str, Operation]]]
Rows = Sequence[tuple[Table, Iterator[dict[str, Any]]]]

_LONGEST_MS, _LONGEST_BLOCK_MS = 200, 50
_ROUNDS = 3
_BATCH = 500


async def latencies(title: str, fill: Fill, operations: Operations) -> Figures:
    columns = ("milliseconds", "SQLite", "… event loop blocked", "PostgreSQL", "… event loop blocked")
    figures = Figures(title, columns)
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as temporary:
        results = [await _measure_all(f"sqlite:///{Path(temporary) / 'bot.db'}", fill, operations)]
    try:
        with postgresql.postgresql() as server, postgresql.database(server) as url:
            results.append(await _measure_all(url, fill, operations))
    except postgresql.PostgresqlMissing as missing:
        figures.notes.append(f"PostgreSQL is skipped: {missing.__doc__}")
    for name in results[0]:
        cells = [f"{value:.1f}" for result in results for value in result[name]]
        figures.rows.append((name, *cells, *[""] * (4 - len(cells))))
    longest = max(seconds for result in results for seconds, _ in result.values())
    blocked = max(block for result in results for _, block in result.values())
    figures.goals.append(Goal("longest query or page in ms", longest, _LONGEST_MS))
    figures.goals.append(Goal("longest block of the event loop in ms", blocked, _LONGEST_BLOCK_MS))
    return figures


async def fill_tables(store: Store, build: Callable[[Keep], Rows]) -> None:
    """Inserts the rows that `build` makes; it stores texts of documents with the given function."""
    texts: dict[str, str] = {}

    def keep(text: str) -> str:
        """Keeps documents like the store, but writes all of them at the end."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        texts[digest] = text
        return digest

    for table, rows in build(keep):
        while batch := list(islice(rows, _BATCH)):
            await store._database.run(_inserting(table, batch))

    def write_documents(connection: Connection) -> None:
        for text in texts.values():
            keeper(connection)(text)

    await store._database.run(write_documents)


def _inserting(table: Table, rows: list[dict[str, Any]]) -> Callable[[Connection], None]:
    def write(connection: Connection) -> None:
        connection.execute(insert(table), rows)

    return write


async def _measure_all(url: str, fill: Fill, operations: Operations) -> dict[str, tuple[float, float]]:
    """Milliseconds, and those during which the event loop was blocked, by operation."""
    store = await Store.open(url)
    await store.migrate()
    await fill(store)
    async with operations(store) as named:
        measured = {name: await _measure(operation) for name, operation in named.items()}
    await store.close()
    return measured


async def _measure(operation: Operation) -> tuple[float, float]:
    rounds = [await _measure_once(operation) for _ in range(_ROUNDS)]
    return min(total for total, _ in rounds), min(block for _, block in rounds)


async def _measure_once(operation: Operation) -> tuple[float, float]:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last - 0.001), now

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    started = time.perf_counter()
    await operation()
    total = time.perf_counter() - started
    await asyncio.sleep(0.005)
    watcher.cancel()
    return total * 1000, longest * 1000
