"""Queries, pages and sweeps over a store with years of history.

Each operation runs three times; the fastest counts, so that other load of the machine does not.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert

from bot.environments.expiry import MAX_WARNING_PERIOD
from bot.model.delivery import CommitStatusChanged, Delivery
from bot.model.environment import Attempt, EnvironmentKey, EnvironmentState, Status, UserOverrides
from bot.model.promotion import Promotion, PromotionKind, PromotionState, StageRecord
from bot.model.pull_request import PullRequest
from bot.model.release import PromotableRelease
from bot.model.repository import Repository
from bot.store import Store
from bot.store.documents import keeper
from bot.store.environment_rows import new_row
from bot.store.records import Keep, encode
from bot.store.store import utc_now
from bot.store.tables import audit, decisions, environments, promotions, releases, stages
from bot.sweeps.ports import STANDING
from tests import postgresql
from tests.bench.figures import Figures, Goal
from tests.contract.shop import FIRST, pull_request
from tests.unit.promotions.stage_fixtures import release
from tests.unit.web.pages.conftest import ADA, WebFixture

DELETED, LIVE, DECISIONS, PROMOTIONS = 50_000, 300, 200_000, 20_000
REPOSITORIES = 20
_LONGEST_MS, _LONGEST_BLOCK_MS = 200, 50
_ROUNDS = 3
_BATCH = 500
_DAY = timedelta(days=1)
_CONFIGURATION = (
    "version: 1\nimages: {shop: ghcr.io/acme/shop}\nmanifests: {plain: deploy/}\nstages: {staging: {}}\n"
)

Operation = Callable[[], Awaitable[Any]]


async def bench() -> Figures:
    figures = Figures(
        f"A store with {DELETED:,} deleted and {LIVE} existing previews, {DECISIONS:,} decisions, "
        f"{PROMOTIONS:,} promotions",
        ("milliseconds", "SQLite", "… event loop blocked", "PostgreSQL", "… event loop blocked"),
    )
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as temporary:
        results = [await _measure_all(f"sqlite:///{Path(temporary) / 'bot.db'}")]
    try:
        with postgresql.postgresql() as server, postgresql.database(server) as url:
            results.append(await _measure_all(url))
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


async def _measure_all(url: str) -> dict[str, tuple[float, float]]:
    """Milliseconds, and those during which the event loop was blocked, by operation."""
    store = await Store.open(url)
    await store.migrate()
    await _fill(store)
    async with _operations(store) as operations:
        measured = {name: await _measure(operation) for name, operation in operations.items()}
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


@asynccontextmanager
async def _operations(store: Store) -> AsyncIterator[dict[str, Operation]]:
    web = WebFixture(store, utc_now)  # type: ignore[arg-type]  # the real clock
    web.github.readers = {number: {"ada"} for number in range(1, REPOSITORIES + 1)}
    web.github.configuration = _CONFIGURATION
    browser = await web.signed_in(ADA)
    now, big = utc_now(), _repository(1)
    keys = [EnvironmentKey.preview(1, number) for number in range(1, 101)]
    old = now - 89 * _DAY

    async def page(path: str) -> None:
        assert (await browser.get(path)).status_code == 200, path

    async def status_of_commit() -> None:
        guid = f"bench-{time.perf_counter_ns()}"
        delivery = Delivery(guid, "status", "", utc_now(), big)
        await store.deliveries.record(delivery, [CommitStatusChanged(big.id, FIRST)])

    async def metrics() -> None:
        await store.queue.depth()
        await store.statistics.read()

    yield {
        "delivery of a commit status": status_of_commit,
        "/metrics": metrics,
        "dashboard": lambda: page("/"),
        "dashboard, last page": lambda: page("/?page=999"),
        "page of an environment": lambda: page(f"/environments/{keys[0]}"),
        "page of the stages": lambda: page("/stages/1"),
        "page of a stage": lambda: page("/stages/1/staging"),
        "sweep: expired": lambda: store.environments.find(states=STANDING, expires_before=now),
        "sweep: warnings": lambda: store.environments.find(
            states=STANDING, expires_before=now + MAX_WARNING_PERIOD
        ),
        "sweep: lost repositories": lambda: store.environments.find(states=STANDING, lost_before=now),
        "sweep: queue": store.environments.candidates,
        "sweep: namespaces": lambda: store.environments.summaries(STANDING, keys),
        "resync of a repository: open pull requests": lambda: store.environments.get_all(keys),
        "resync of a repository: existing previews": lambda: store.environments.find(
            repository_id=1, states=STANDING
        ),
        "promotions of a repository": lambda: store.promotions.find(1),
        "open promotions of a repository": lambda: store.promotions.find(1, ended=False),
        "change of a stage": lambda: store.promotions.change(
            EnvironmentKey.stage(1, "staging"), big, lambda aggregate: aggregate
        ),
        "audit log of a stage": lambda: store.audit.entries(1, stage="staging"),
        "purge of releases": lambda: store.releases.purge(old, 250),
        "purge of previews, nothing old": lambda: store.history.purge_environments(now - 900 * _DAY),
        "purge of decisions, nothing old": lambda: store.history.purge_decisions(now - 900 * _DAY),
    }
    await browser.aclose()


def _repository(number: int) -> Repository:
    return Repository(number, number, "acme", f"shop-{number}")


def _home(number: int) -> Repository:
    """Half of everything is in one repository."""
    return _repository(1 if number % 2 else 1 + number % REPOSITORIES)


async def _fill(store: Store) -> None:
    now = utc_now()
    texts: dict[str, str] = {}

    def keep(text: str) -> str:
        """As the store does, but writes all documents at the end."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        texts[digest] = text
        return digest

    tables: list[tuple[Table, Iterator[dict[str, Any]]]] = [
        (environments, _environments(keep, now)),
        (decisions, _decisions(now)),
        (releases, _releases(now)),
        (stages, _stages(keep)),
        (promotions, _promotions(keep, now)),
        (audit, _audit(now)),
    ]
    for table, rows in tables:
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


def _environments(keep: Keep, now: datetime) -> Iterator[dict[str, Any]]:
    pull = pull_request(FIRST, now)
    for number in range(1, DELETED + LIVE + 1):
        repository, live = _home(number), number > DELETED
        key = EnvironmentKey.preview(repository.id, number)
        own: PullRequest = replace(pull, repository=repository, number=number, open=live)
        configuration = f"{_CONFIGURATION}# version {number % 50}\n" + "# a comment\n" * 100
        at = now - timedelta(days=80 * (1 - number / (DELETED + LIVE)))
        state = EnvironmentState.READY if live else EnvironmentState.GONE
        expires_at = now + timedelta(hours=number % 48) if live else None
        yield {
            **new_row(key, repository, f"gr-{key.label}", at),
            "hinted_head": f"{number:040x}",
            "hinted_open": live,
            "head_since": at,
            "asked_at": at if live else None,
            "admission": "admitted" if live else "none",
            "commit": f"{number:040x}",
            "expires_at": expires_at,
            "state": state,
            "status": encode(Status(state, commit=FIRST, expires_at=expires_at)),
            "progress": encode(Attempt(pull_request=own, configuration=configuration), keep),
            "overrides": encode(UserOverrides()),
        }


def _decisions(now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(DECISIONS):
        subject = 1 + number % DELETED
        key = EnvironmentKey.preview(_home(subject).id, subject)
        yield {
            "environment": str(key),
            "at": now - timedelta(days=80 * (1 - number / DECISIONS)),
            "what": "ready",
            "why": "It responds at https://pr-1.preview.example.com",
            "by": "",
        }


def _stages(keep: Keep) -> Iterator[dict[str, Any]]:
    for number in range(1, REPOSITORIES + 1):
        repository = _repository(number)
        key = EnvironmentKey.stage(repository.id, "staging")
        record = encode(StageRecord(key, repository), keep)
        yield {"key": str(key), "repository_id": repository.id, "held": False, "record": record}


def _release(number: int, now: datetime) -> PromotableRelease:
    return replace(
        release(),
        repository_id=_home(number).id,
        commit=f"{number:040x}",
        made_at=now - timedelta(days=180 * (1 - number / PROMOTIONS)),
    )


def _releases(now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(PROMOTIONS):
        made = _release(number, now)
        yield {
            "id": made.id,
            "repository_id": made.repository_id,
            "commit": made.commit,
            "body": encode(made),
            "made_at": made.made_at,
        }


def _promotions(keep: Keep, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(PROMOTIONS):
        repository, made = _home(number), _release(number, now)
        key, is_open = EnvironmentKey.stage(repository.id, "staging"), number > PROMOTIONS - 20
        state = PromotionState.QUEUED if is_open else PromotionState.SUCCEEDED
        record = Promotion(
            f"{number:010x}",
            key,
            repository,
            PromotionKind.PROMOTION,
            state,
            "ada",
            made.made_at,
            made.made_at,
            made.made_at + _DAY,
            release=made,
            policy=f"{_CONFIGURATION}# version {number % 50}\n",
            configuration=_CONFIGURATION,
        )
        yield {
            "id": record.id,
            "stage": str(key),
            "repository_id": repository.id,
            "release": made.id,
            "state": state,
            "since": record.since,
            "ended": not is_open,
            "moving": False,
            "record": encode(record, keep),
            "receipt": "",
            "requested_at": record.requested_at,
        }


def _audit(now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(3 * PROMOTIONS):
        yield {
            "at": now,
            "repository_id": _home(number // 3).id,
            "stage": "staging",
            "promotion": f"{number // 3:010x}",
            "who": "ada",
            "what": "requested",
            "why": "",
            "before": "",
            "after": "",
            "token": f"comment/{number}",
        }
