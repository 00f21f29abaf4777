"""Queries, pages and sweeps over a store with years of history.

Each operation runs three times; the fastest counts, so that other load of the machine does not.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.environments.expiry import MAX_WARNING_PERIOD
from bot.model.delivery import CommitStatusChanged, Delivery
from bot.model.environment import Attempt, EnvironmentKey, EnvironmentState, Status, UserOverrides
from bot.model.promotion import Promotion, PromotionKind, PromotionState, StageRecord
from bot.model.pull_request import PullRequest
from bot.model.release import PromotableRelease
from bot.model.repository import Repository
from bot.model.usage import Usage
from bot.store import Store
from bot.store.environment_rows import new_row
from bot.store.records import Keep, encode
from bot.store.store import utc_now
from bot.store.tables import audit, decisions, environments, promotions, releases, stages, usages
from bot.sweeps.ports import STANDING
from bot.web.metrics import Metrics
from bot.wiring.scrape import read_metrics
from tests.bench.figures import Figures
from tests.bench.latencies import Operation, fill_tables, latencies
from tests.contract.shop import FIRST, pull_request
from tests.unit.promotions.stage_fixtures import release
from tests.unit.web.pages.conftest import ADA, WebFixture

DELETED, LIVE, DECISIONS, PROMOTIONS = 50_000, 300, 200_000, 20_000
REPOSITORIES = 20
_DAY = timedelta(days=1)
_CONFIGURATION = (
    "version: 1\nimages: {shop: ghcr.io/acme/shop}\nmanifests: {plain: deploy/}\nstages: {staging: {}}\n"
)


async def bench() -> Figures:
    return await latencies(
        f"A store with {DELETED:,} deleted and {LIVE} existing previews, {DECISIONS:,} decisions, "
        f"{PROMOTIONS:,} promotions",
        _fill,
        _operations,
    )


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

    registry = Metrics()
    await read_metrics(store, registry)

    yield {
        "delivery of a commit status": status_of_commit,
        "/metrics": lambda: read_metrics(store, registry),
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
    await fill_tables(
        store,
        lambda keep: [
            (environments, _environments(keep, now)),
            (decisions, _decisions(now)),
            (releases, _releases(now)),
            (stages, _stages(keep)),
            (promotions, _promotions(keep, now)),
            (audit, _audit(now)),
            (usages, _usages(now)),
        ],
    )


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


def _usages(now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(1, DELETED + LIVE + 1):
        key = EnvironmentKey.preview(_home(number).id, number)
        yield {"key": str(key), "record": encode(Usage(key, now, 1.5, 3.0, requests={"10.0.0.1": number}))}


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
