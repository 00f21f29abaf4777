"""The pages of stages: access and content."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.github.messages.promotion_reasons import describe
from bot.model.environment import EnvironmentKey
from bot.model.rollout import Counts, Decision, Grade, Progress, RolloutReport, StepResult, Strategy
from bot.model.secret import SecretRecord
from bot.promotions import stage_actions
from bot.promotions.stage_aggregate import StageAggregate
from bot.promotions.state_machine import step
from tests.unit.promotions.stage_fixtures import (
    BROKEN,
    NOW,
    PIPELINE,
    VERIFIED,
    deploy,
    facts,
    promotion,
    release,
)
from tests.unit.promotions.stage_fixtures import SHOP as REPOSITORY
from tests.unit.web.pages.conftest import ADA, EVE, GITHUB, WebFixture
from tests.unit.web.pages.test_environments import HOSTILE, Parts, words

LIST, PAGE = f"/stages/{REPOSITORY.id}", f"/stages/{REPOSITORY.id}/integration"


@pytest.fixture
async def staged(web: WebFixture) -> WebFixture:
    """Integration went back from a release that failed; bea has locked it, and cem's promotion waits."""
    now = web.clock()

    def done(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        secrets = {"TOKEN": SecretRecord("keyed", "3"), "STRIPE": SecretRecord("keyed", "7", True)}
        verified = replace(VERIFIED, secrets=secrets)
        for id, commit, seen in (("p1", "a", verified), ("p2", "b", BROKEN)):
            aggregate = stage_actions.request(aggregate, promotion("integration", "ada", id, now), now)
            aggregate = step(aggregate, id, facts(release(commit)), now)
            progress = replace(seen, serial=aggregate.stage.serial)
            aggregate = step(aggregate, id, facts(release(commit), progress=progress), now)
        progress = replace(verified, serial=aggregate.stage.serial)
        aggregate = step(aggregate, "p2", facts(progress=progress), now)
        aggregate = stage_actions.lock(aggregate, "bea", now + timedelta(hours=2), HOSTILE, now)
        return stage_actions.request(
            aggregate, promotion("integration", "cem", "p3", now + timedelta(seconds=1)), now
        )

    integration = EnvironmentKey.stage(REPOSITORY.id, "integration")
    await web.store.promotions.change(integration, REPOSITORY, done)
    await deploy(web.store, integration)
    web.github.readers = {REPOSITORY.id: {"ada"}}
    web.github.configuration = PIPELINE
    return web


async def test_stages_are_listed_in_pipeline_order(staged: WebFixture) -> None:
    browser = await staged.signed_in(ADA)
    text = words(await browser.get(LIST))
    order = [text.index(name) for name in ("integration", "security", "staging", "production")]
    assert order == sorted(order)
    assert f"{release('a').id} of aaaaaaa" in text
    assert "locked by bea until" in text
    assert "requested by cem: resolving its release" in text
    assert "no release" in text


async def test_stage_page_shows_promotions_and_audit(staged: WebFixture) -> None:
    browser = await staged.signed_in(ADA)
    answer = await browser.get(PAGE)
    text = words(answer)
    for piece in (
        f"Release {release('a').id} of aaaaaaa runs on integration.",
        f"on hold release {release('b').id} failed: Deployment shop: it crashes",
        "rolled back",
        "boom",
        "Ran with the secrets STRIPE (version 7), TOKEN (version 3).",
        "The rollback covers code and configuration; TOKEN has its current value.",
        next(iter(release("a").images.values())).digest,
        "locked",
        "Rolling back",
    ):
        assert piece in text, piece
    assert f'href="{GITHUB}/acme/shop/pull/7"' in answer.text
    assert f'href="/environments/stage/{REPOSITORY.id}/integration"' in answer.text


async def test_stage_page_shows_the_steps_of_a_rollout_with_a_chart(staged: WebFixture) -> None:
    good = StepResult(5, NOW, 5, Counts(4000, 40), Counts(300, 3, {"0.1": 300}), Grade.GOOD, Decision.ADVANCE)
    bad = StepResult(25, NOW, 1, Counts(900, 9), Counts(300, 30), Grade.MUCH_WORSE, Decision.ROLL_BACK)
    report = RolloutReport(
        Strategy.CANARY, (5, 25, 100), Progress.RETURNED, 0, (good, bad), problem=f"worse {HOSTILE}"
    )

    def with_rollout(aggregate: StageAggregate) -> StageAggregate:
        return aggregate.with_promotion(replace(aggregate.promotions["p2"], rollout=report))

    key = EnvironmentKey.stage(REPOSITORY.id, "integration")
    await staged.store.promotions.change(key, REPOSITORY, with_rollout, promotion_id="p2")
    answer = await (await staged.signed_in(ADA)).get(PAGE)
    text = words(answer)
    assert "25 % 900 / 300 1.00 % / 10.00 %" in text
    assert "all traffic is back on the stable revision" in text
    assert "at 25 % of the traffic, 1.0 % stable and 10 % candidate" in text
    heights = re.findall(r'<rect class="(\w+)"[^>]* height="(\d+)"', answer.text)
    assert heights == [("stable", "8"), ("candidate", "8"), ("stable", "8"), ("candidate", "80")]
    assert "<script>alert(1)" not in answer.text


async def test_stage_names_and_reasons_are_escaped(staged: WebFixture) -> None:
    browser = await staged.signed_in(ADA)
    for path in (LIST, PAGE):
        answer = await browser.get(path)
        parts = Parts()
        parts.feed(answer.text)
        assert not any(name.startswith("on") for _, name, _ in parts.attributes)
        assert "<script>alert(1)" not in answer.text
        assert "{{ 7 * 7 }}" in answer.text


@pytest.mark.parametrize("path", [LIST, PAGE])
async def test_stages_of_unreadable_repository_are_not_found(staged: WebFixture, path: str) -> None:
    browser = await staged.signed_in(EVE)
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert release("a").id not in answer.text
    stranger = await staged.browser().get(path)
    assert stranger.headers["location"] == f"/sign-in?next={path}"


@pytest.mark.parametrize(
    "path",
    [
        "/stages/999",
        "/stages/999/integration",
        f"/stages/{REPOSITORY.id}/nowhere",
        f"/stages/{2**63}",
        f"/stages/{2**70}/integration",
        f"/stages/{REPOSITORY.id}/%00",
        f"/environments/stage/{2**70}/integration",
        f"/environments/preview/{REPOSITORY.id}/%00",
    ],
)
async def test_missing_stage_is_not_found(staged: WebFixture, path: str) -> None:
    answer = await (await staged.signed_in(ADA)).get(path)
    assert answer.status_code == 404
    assert "not found" in answer.text.lower()


async def test_empty_stage_is_shown_as_empty(staged: WebFixture) -> None:
    text = words(await (await staged.signed_in(ADA)).get(f"/stages/{REPOSITORY.id}/production"))
    assert "Nothing runs on production." in text
    assert "No promotions" in text


async def test_stored_stages_are_shown_without_github(staged: WebFixture) -> None:
    browser = await staged.signed_in(ADA)
    await browser.get(LIST)
    staged.github.away = True
    text = words(await browser.get(LIST))
    assert "cannot be read: GitHub is away." in text
    assert "integration" in text
    assert "staging" not in text


async def test_dashboard_and_environment_link_to_stages(staged: WebFixture) -> None:
    browser = await staged.signed_in(ADA)
    assert f'href="{LIST}"' in (await browser.get("/")).text
    page = await browser.get(f"/environments/stage/{REPOSITORY.id}/integration")
    assert f'href="{PAGE}"' in page.text
