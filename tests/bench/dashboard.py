"""The dashboard, its search and live updates with many environments that exist.

Each page is also compared with the same page over few environments, in the same run.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from httpx import Response
from sqlalchemy import Engine, event

from bot.model.environment import (
    Attempt,
    EnvironmentKey,
    EnvironmentState,
    Status,
    StatusMessage,
    UserOverrides,
)
from bot.model.promotion import Hold, StageRecord
from bot.model.repository import Repository
from bot.model.usage import Usage
from bot.store import Store
from bot.store.environment_rows import new_row, search_text
from bot.store.records import Keep, encode
from bot.store.store import utc_now
from bot.store.tables import environments, stages, usages
from bot.web.metrics import Metrics
from bot.wiring.scrape import read_metrics
from tests.bench.figures import Figures, Goal
from tests.bench.latencies import Operation, fill_tables, latencies
from tests.contract.shop import FIRST, pull_request
from tests.unit.web.pages.conftest import ADA, WebFixture

ENVIRONMENTS, FEW, REPOSITORIES, AUTHORS = 2_000, 100, 20, 50
_ROUNDS = 5


async def bench() -> Figures:
    title = f"A dashboard with {ENVIRONMENTS:,} environments of {REPOSITORIES} repositories"
    figures = await latencies(title, partial(_fill, ENVIRONMENTS), _operations)
    many, few = await _weights(ENVIRONMENTS), await _weights(FEW)
    figures.columns = (*figures.columns, "statements", "KB", f"time / {FEW} environments")
    ratios = {name: weight.seconds / few[name].seconds for name, weight in many.items()}
    figures.rows = [
        (*row, str(many[row[0]].statements), f"{many[row[0]].kilobytes:.0f}", f"{ratios[row[0]]:.1f}")
        for row in figures.rows
    ]
    figures.goals += [
        Goal("most statements of a page", max(weight.statements for weight in many.values()), 20),
        Goal("largest page in KB", max(weight.kilobytes for weight in many.values()), 150),
        Goal(f"longest time of a page / with {FEW} environments", max(ratios.values()), 10),
    ]
    return figures


@dataclass(frozen=True)
class _Weight:
    """What one request costs."""

    seconds: float
    statements: int
    kilobytes: float


async def _weights(count: int) -> dict[str, _Weight]:
    """Measures each operation with this many environments on SQLite."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        store = await Store.open(f"sqlite:///{Path(folder) / 'bot.db'}")
        await store.migrate()
        await _fill(count, store)
        async with _operations(store) as named:
            weights = {name: await _weigh(operation) for name, operation in named.items()}
        await store.close()
    return weights


async def _weigh(operation: Operation) -> _Weight:
    """The fastest of several requests; the first one fills the caches."""
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1

    answer = await operation()
    event.listen(Engine, "after_cursor_execute", count)
    await operation()
    event.remove(Engine, "after_cursor_execute", count)
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        await operation()
        seconds.append(time.perf_counter() - started)
    size = len(answer.content) if isinstance(answer, Response) else 0
    return _Weight(min(seconds), statements, size / 1000)


@asynccontextmanager
async def _operations(store: Store) -> AsyncIterator[dict[str, Operation]]:
    web = WebFixture(store, utc_now)  # type: ignore[arg-type]  # the real clock
    web.github.readers = {number: {"ada"} for number in range(1, REPOSITORIES + 1)}
    browser = await web.signed_in(ADA)

    async def page(path: str) -> Response:
        response = await browser.get(path)
        assert response.status_code == 200, path
        return response

    async def changes() -> None:
        await store.changes.since(await store.changes.start())

    metrics = Metrics()

    yield {
        "dashboard": lambda: page("/"),
        "last page": lambda: page("/?page=999"),
        "failed ones of an author": lambda: page("/?state=failed&author=author-0"),
        "search": lambda: page("/?q=shop-1%23+blue"),
        "search without result": lambda: page("/?q=nothing+like+this"),
        "page of an environment": lambda: page("/environments/preview/1/20"),
        "changes for open pages": changes,
        "/metrics": lambda: read_metrics(store, metrics),
    }
    await browser.aclose()


async def _fill(count: int, store: Store) -> None:
    now = utc_now()
    await fill_tables(
        store,
        lambda keep: [
            (environments, _environments(count, keep, now)),
            (usages, _usages(count, now)),
            (stages, _stages(keep, now)),
        ],
    )


def _environments(count: int, keep: Keep, now: datetime) -> Iterator[dict[str, Any]]:
    pull = pull_request(FIRST, now)
    for number in range(1, count + 1):
        repository = _repository(1 + number % REPOSITORIES)
        key, author = EnvironmentKey.preview(repository.id, number), f"author-{number % AUTHORS}"
        own = replace(
            pull, repository=repository, number=number, author=author, title=f"A blue shop {number}"
        )
        state = EnvironmentState.FAILED if number % 20 == 0 else EnvironmentState.READY
        at = now - timedelta(minutes=number)
        cause = StatusMessage("The container `web` ends with code 1.", "a line of the log\n" * 40)
        status = Status(state, commit=FIRST, expires_at=now, cause=cause if number % 20 == 0 else None)
        yield {
            **new_row(key, repository, f"gr-{key.label}", at),
            "hinted_head": FIRST,
            "hinted_open": True,
            "head_since": at,
            "commit": FIRST,
            "author": author,
            "search_text": search_text(key, repository, own),
            "expires_at": now,
            "state": state,
            "status": encode(status),
            "progress": encode(Attempt(pull_request=own, configuration="version: 1\n" * 200), keep),
            "overrides": encode(UserOverrides()),
        }


def _usages(count: int, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(1, count + 1):
        key = EnvironmentKey.preview(1 + number % REPOSITORIES, number)
        yield {"key": str(key), "record": encode(Usage(key, now, 1.5, 3.0, requests={"10.0.0.1": number}))}


def _stages(keep: Keep, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(1, REPOSITORIES + 1):
        repository = _repository(number)
        key = EnvironmentKey.stage(repository.id, "staging")
        record = encode(StageRecord(key, repository, hold=Hold("ada", now, "incident")), keep)
        yield {"key": str(key), "repository_id": repository.id, "held": True, "record": record}


def _repository(number: int) -> Repository:
    return Repository(number, number, "acme", f"shop-{number}")
