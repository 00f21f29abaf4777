"""The dashboard: what needs attention comes first; search, filters and pages of the list."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.github.messages.promotion_reasons import describe
from bot.model.drift import DriftKind, DriftRecord, Finding
from bot.model.environment import EnvironmentKey, EnvironmentState, Status, StatusMessage
from bot.model.promotion import PromotionState
from bot.model.role import Role
from bot.model.size import Size
from bot.model.work import WorkKey
from bot.promotions import stage_actions
from bot.promotions.stage_aggregate import StageAggregate
from bot.promotions.state_machine import step
from tests.stores import ManualClock
from tests.unit.environments.test_desired_state import PULL
from tests.unit.promotions.stage_fixtures import PIPELINE, facts, promotion, release
from tests.unit.web.pages.conftest import ADA, EVE, SHOP, WebFixture
from tests.unit.web.pages.test_environments import ready, words

POLICY = PIPELINE.replace("count: 2", "count: 2, teams: [ops]")
STAGE = EnvironmentKey.stage(SHOP.id, "production")


@pytest.fixture
async def shop(web: WebFixture, clock: ManualClock) -> WebFixture:
    """A ready preview with a size, and a failed one by bea."""
    web.github.readers = {SHOP.id: {"ada", "eve"}}
    await web.environment(replace(ready(clock), size=Size(cpu="2", memory="3Gi")))
    failed = Status(
        EnvironmentState.FAILED, commit="b" * 40, cause=StatusMessage("The container `web` keeps ending.")
    )
    await web.environment(
        failed, pull=replace(PULL, number=8, title="Búsqueda 100%", author="bea", head_ref="find")
    )
    return web


async def test_row_shows_state_age_expiry_author_and_size(shop: WebFixture, clock: ManualClock) -> None:
    clock.advance(5 * 3600)
    text = words(await (await shop.signed_in(ADA)).get("/"))
    assert "ready A blue shop #3 by ada at aaaaaaa created 5 hours ago expires in 3 days" in text
    assert "up to 2 CPU, 3Gi" in text


async def test_failures_come_before_the_list(shop: WebFixture) -> None:
    text = words(await (await shop.signed_in(ADA)).get("/"))
    assert text.index("1 needs attention") < text.index("The container web keeps ending.")
    assert text.index("The container web keeps ending.") < text.index("2 environments")


async def test_stages_on_hold_locked_or_drifted_need_attention(shop: WebFixture, clock: ManualClock) -> None:
    now = clock()

    def keep(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        aggregate = stage_actions.hold(aggregate, "bea", "too many errors", now)
        return stage_actions.lock(aggregate, "cem", now + timedelta(hours=2), "load test", now)

    await shop.store.promotions.change(STAGE, SHOP, keep)
    finding = Finding(DriftKind.CHANGED, "Deployment/shop", "spec.replicas", "3", "5")
    await shop.store.queue.enqueue([WorkKey.drift(STAGE)])
    [claim] = [item for item in await shop.store.queue.claim("test", 9, 60) if item.key.kind == "drift"]
    await shop.store.drifts.save(claim, DriftRecord(STAGE, SHOP, checked_at=now, confirmed=(finding,)))
    browser = await shop.signed_in(ADA)
    text = words(await browser.get("/"))
    assert "on hold acme/shop:production Too many errors (by bea)." in text
    assert "locked acme/shop:production Locked by cem until" in text
    assert "drift acme/shop:production" in text
    clock.advance(3 * 3600)
    assert "Locked by cem" not in words(await browser.get("/"))


async def _await_approval(web: WebFixture, clock: ManualClock) -> None:
    """A promotion to production, requested by cem, of a release by dee."""
    now = clock()

    def request(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        aggregate = stage_actions.request(aggregate, promotion("production", "cem", "p1", now), now)
        aggregate = step(aggregate, "p1", facts(release("a"), text=POLICY), now)
        waiting = replace(
            aggregate.promotions["p1"],
            state=PromotionState.AWAITING_APPROVAL,
            policy=POLICY,
            authors=("dee",),
        )
        return replace(aggregate, promotions={**aggregate.promotions, "p1": waiting})

    await web.store.promotions.change(STAGE, SHOP, request)


async def test_approval_waits_for_those_who_can_give_it(shop: WebFixture, clock: ManualClock) -> None:
    await _await_approval(shop, clock)
    shop.github.teams = {"ops": {"ada"}}
    text = words(await (await shop.signed_in(ADA)).get("/"))
    assert "Waiting for your approval awaiting approval acme/shop:production" in text
    assert "requested by cem, needs approval" in text
    others = words(await (await shop.signed_in(EVE)).get("/"))
    assert "Waiting for your approval" not in others
    assert "awaiting approval acme/shop:production" in others


async def test_approval_requires_write_access(shop: WebFixture, clock: ManualClock) -> None:
    await _await_approval(shop, clock)
    shop.github.teams, shop.github.roles = {"ops": {"ada"}}, {"ada": Role.TRIAGE}
    assert "Waiting for your approval" not in words(await (await shop.signed_in(ADA)).get("/"))


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("q=BLUE", ["A blue shop"]),
        ("q=búsqueda", ["Búsqueda 100%"]),
        ("q=100%25", ["Búsqueda 100%"]),
        ("q=a%25e", []),
        ("q=shop%233", ["A blue shop"]),
        ("q=acme bea", ["Búsqueda 100%"]),
        ("q=nothing", []),
        ("state=failed", ["Búsqueda 100%"]),
        ("author=ada", ["A blue shop"]),
        ("author=ada&state=failed", []),
        (f"repository={SHOP.id}", ["A blue shop", "Búsqueda 100%"]),
        ("repository=4711&state=broken&page=x", ["A blue shop", "Búsqueda 100%"]),
    ],
)
async def test_search_and_filters(shop: WebFixture, query: str, titles: list[str]) -> None:
    answer = await (await shop.signed_in(ADA)).get(f"/?{query}")
    listed = answer.text[answer.text.index('id="environments"') :]
    assert re.findall(r'<a class="strong" [^>]*>([^<]*)</a>', listed) == titles


async def test_pages_keep_the_filter(shop: WebFixture, clock: ManualClock) -> None:
    for number in range(100, 151):
        await shop.environment(ready(clock), pull=replace(PULL, number=number, title=f"Change {number}"))
    browser = await shop.signed_in(ADA)
    answer = await browser.get("/?q=change")
    assert "51 environments match the filter" in words(answer)
    assert 'href="/?q=change&amp;page=2" rel="next"' in answer.text
    assert "Change 150" in words(await browser.get("/?q=change&page=99"))


async def test_filters_offer_nothing_of_other_repositories(shop: WebFixture, clock: ManualClock) -> None:
    secret = replace(PULL.repository, id=99, name="secret")
    await shop.environment(ready(clock), pull=replace(PULL, repository=secret, author="mallory"))
    answer = await (await shop.signed_in(ADA)).get("/")
    assert "secret" not in answer.text
    assert "mallory" not in answer.text


@pytest.mark.parametrize(
    ("method", "status", "title"), [("GET", 404, "Not found"), ("POST", 405, "Not possible")]
)
async def test_errors_are_pages_for_browsers_and_text_for_others(
    web: WebFixture, method: str, status: int, title: str
) -> None:
    path = "/nowhere" if method == "GET" else "/"
    async with web.browser() as browser:
        page = await browser.request(method, path, headers={"Accept": "text/html,*/*"})
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert f"<h1>{title}" in page.text
        assert "content-security-policy" in page.headers
        plain = await browser.request(method, path, headers={"Accept": "application/json"})
        assert (plain.status_code, plain.headers["content-type"]) == (status, "text/plain; charset=utf-8")
