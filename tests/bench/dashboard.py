"""The dashboard, its search and live updates with many environments that exist."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

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
from bot.store import Store
from bot.store.environment_rows import new_row, search_text
from bot.store.records import Keep, encode
from bot.store.store import utc_now
from bot.store.tables import environments, stages
from tests.bench.figures import Figures
from tests.bench.latencies import Operation, fill_tables, latencies
from tests.contract.shop import FIRST, pull_request
from tests.unit.web.pages.conftest import ADA, WebFixture

ENVIRONMENTS, REPOSITORIES, AUTHORS = 2_000, 20, 50


async def bench() -> Figures:
    title = f"A dashboard with {ENVIRONMENTS:,} environments of {REPOSITORIES} repositories"
    return await latencies(title, _fill, _operations)


@asynccontextmanager
async def _operations(store: Store) -> AsyncIterator[dict[str, Operation]]:
    web = WebFixture(store, utc_now)  # type: ignore[arg-type]  # the real clock
    web.github.readers = {number: {"ada"} for number in range(1, REPOSITORIES + 1)}
    browser = await web.signed_in(ADA)

    async def page(path: str) -> None:
        assert (await browser.get(path)).status_code == 200, path

    async def changes() -> None:
        await store.changes.since(await store.changes.start())

    yield {
        "dashboard": lambda: page("/"),
        "last page": lambda: page("/?page=999"),
        "failed ones of an author": lambda: page("/?state=failed&author=author-0"),
        "search": lambda: page("/?q=shop-1%23+blue"),
        "search without result": lambda: page("/?q=nothing+like+this"),
        "changes for open pages": changes,
    }
    await browser.aclose()


async def _fill(store: Store) -> None:
    now = utc_now()
    await fill_tables(
        store, lambda keep: [(environments, _environments(keep, now)), (stages, _stages(keep, now))]
    )


def _environments(keep: Keep, now: datetime) -> Iterator[dict[str, Any]]:
    pull = pull_request(FIRST, now)
    for number in range(1, ENVIRONMENTS + 1):
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


def _stages(keep: Keep, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(1, REPOSITORIES + 1):
        repository = _repository(number)
        key = EnvironmentKey.stage(repository.id, "staging")
        record = encode(StageRecord(key, repository, hold=Hold("ada", now, "incident")), keep)
        yield {"key": str(key), "repository_id": repository.id, "held": True, "record": record}


def _repository(number: int) -> Repository:
    return Repository(number, number, "acme", f"shop-{number}")
