"""What a scrape of `/metrics` reads, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, event, insert

from bot.model.delivery import PullRequestHint
from bot.model.environment import EnvironmentKey, EnvironmentState, Status
from bot.model.usage import Usage
from bot.store import Store
from bot.store.environment_rows import new_row
from bot.store.records import encode
from bot.store.tables import environments, usages
from bot.web.metrics import Metrics
from bot.wiring.scrape import read_metrics
from tests.contract.shop import FIRST, SHOP
from tests.stores import ManualClock

DELETED, MOST_STATEMENTS = 300, 14


@contextmanager
def counted_rows() -> Iterator[list[int]]:
    """The number of rows that each statement returned."""
    counts: list[int] = []

    def count(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            subquery = connection.connection.cursor()
            subquery.execute(f"SELECT count(*) FROM ({statement}) AS counted", _[0])
            counts.extend(row[0] for row in subquery.fetchall())

    event.listen(Engine, "after_cursor_execute", count)
    try:
        yield counts
    finally:
        event.remove(Engine, "after_cursor_execute", count)


async def test_scrape_does_not_grow_with_the_history(store: Store, clock: ManualClock) -> None:
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 3, FIRST, open=True)])
    await store.usages.save([Usage(EnvironmentKey.preview(SHOP.id, 3), clock(), core_hours=1.5)])
    await _add_history(store, clock)
    metrics = Metrics()
    with counted_rows() as first:
        await read_metrics(store, metrics)
    assert f'greenroom_environments{{state="gone"}} {DELETED}.0' in metrics.text().decode()
    with counted_rows() as second:
        await read_metrics(store, metrics)
    text = metrics.text().decode()
    assert 'greenroom_requested_core_hours{environment="acme/shop#3"} 1.5' in text
    assert f'greenroom_environments{{state="gone"}} {DELETED}.0' in text
    assert len(second) < len(first) <= MOST_STATEMENTS, "the history is counted once"
    assert sum(second) <= MOST_STATEMENTS, "one row for each state and existing environment"


async def _add_history(store: Store, clock: ManualClock) -> None:
    old = clock() - timedelta(days=40)
    keys = [EnvironmentKey.preview(SHOP.id, number) for number in range(100, 100 + DELETED)]
    gone = Status(EnvironmentState.GONE, commit=FIRST)
    rows = [
        {
            **new_row(key, SHOP, f"gr-{key.label}", old),
            "state": EnvironmentState.GONE,
            "status": encode(gone),
        }
        for key in keys
    ]
    records = [{"key": str(key), "record": encode(Usage(key, old))} for key in keys]

    def write(connection: Connection) -> None:
        connection.execute(insert(environments), rows)
        connection.execute(insert(usages), records)

    await store._database.run(write)
