"""The page of a repository's stages and the page of one: who sees them, and what they tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.model.environment import EnvironmentKey
from bot.model.promotion import StageAggregate
from bot.promotions import stage_commands as orders
from bot.promotions.state_machine import step
from tests.unit.promotions.scenes import BROKEN, PIPELINE, VERIFIED, facts, promotion, release
from tests.unit.promotions.scenes import SHOP as REPOSITORY
from tests.unit.web.pages.conftest import ADA, EVE, GITHUB, Office
from tests.unit.web.pages.test_environments import HOSTILE, Parts, words

LIST, PAGE = f"/stages/{REPOSITORY.id}", f"/stages/{REPOSITORY.id}/integration"


@pytest.fixture
async def staged(office: Office) -> Office:
    """Integration went back from a release that failed; bea has locked it, and cem's promotion waits."""
    now = office.clock()

    def done(aggregate: StageAggregate) -> StageAggregate:
        for id, commit, seen in (("p1", "a", VERIFIED), ("p2", "b", BROKEN)):
            aggregate = orders.request(aggregate, promotion("integration", "ada", id, now), now)
            aggregate = step(aggregate, id, facts(release(commit)), now)
            progress = replace(seen, serial=aggregate.stage.serial)
            aggregate = step(aggregate, id, facts(release(commit), progress=progress), now)
        progress = replace(VERIFIED, serial=aggregate.stage.serial)
        aggregate = step(aggregate, "p2", facts(progress=progress), now)
        aggregate = orders.lock(aggregate, "bea", now + timedelta(hours=2), HOSTILE, now)
        return orders.request(
            aggregate, promotion("integration", "cem", "p3", now + timedelta(seconds=1)), now
        )

    await office.store.promotions.change(EnvironmentKey.stage(REPOSITORY.id, "integration"), REPOSITORY, done)
    office.github.readers = {REPOSITORY.id: {"ada"}}
    office.github.configuration = PIPELINE
    return office


async def test_all_stages_are_shown_in_the_order_of_the_pipeline(staged: Office) -> None:
    browser = await staged.signed_in(ADA)
    told = words(await browser.get(LIST))
    order = [told.index(name) for name in ("integration", "security", "staging", "production")]
    assert order == sorted(order)
    assert f"{release('a').id} of aaaaaaa" in told
    assert "bea keeps it until" in told
    assert "asked for by cem: its release is looked for" in told
    assert "nothing runs there" in told


async def test_a_stage_is_told_with_its_promotions_their_stories_and_the_audit(staged: Office) -> None:
    browser = await staged.signed_in(ADA)
    answer = await browser.get(PAGE)
    told = words(answer)
    for piece in (
        f"Release {release('a').id} of aaaaaaa runs on integration.",
        f"on hold release {release('b').id} failed: Deployment shop: it crashes",
        "rolled back",
        "boom",
        next(iter(release("a").images.values())).digest,
        "locked",
        "Rolling back",
    ):
        assert piece in told, piece
    assert f'href="{GITHUB}/acme/shop/pull/7"' in answer.text
    assert f'href="/environments/stage/{REPOSITORY.id}/integration"' in answer.text


async def test_names_and_reasons_are_text(staged: Office) -> None:
    browser = await staged.signed_in(ADA)
    for path in (LIST, PAGE):
        answer = await browser.get(path)
        parts = Parts()
        parts.feed(answer.text)
        assert not any(name.startswith("on") for _, name, _ in parts.attributes)
        assert "<script>alert(1)" not in answer.text
        assert "{{ 7 * 7 }}" in answer.text


@pytest.mark.parametrize("path", [LIST, PAGE])
async def test_who_cannot_read_the_repository_sees_nothing_of_it(staged: Office, path: str) -> None:
    browser = await staged.signed_in(EVE)
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert release("a").id not in answer.text
    stranger = await staged.browser().get(path)
    assert stranger.headers["location"] == f"/sign-in?next={path}"


@pytest.mark.parametrize(
    "path", ["/stages/999", "/stages/999/integration", f"/stages/{REPOSITORY.id}/nowhere"]
)
async def test_what_there_is_not_looks_the_same(staged: Office, path: str) -> None:
    answer = await (await staged.signed_in(ADA)).get(path)
    assert answer.status_code == 404
    assert "There is nothing to see here" in answer.text


async def test_a_stage_that_nothing_was_promoted_to_is_told_as_such(staged: Office) -> None:
    told = words(await (await staged.signed_in(ADA)).get(f"/stages/{REPOSITORY.id}/production"))
    assert "Nothing runs on production." in told
    assert "Nothing was promoted here yet." in told


async def test_while_github_is_away_what_is_known_is_shown(staged: Office) -> None:
    browser = await staged.signed_in(ADA)
    await browser.get(LIST)
    staged.github.away = True
    told = words(await browser.get(LIST))
    assert "cannot be read: GitHub is away." in told
    assert "integration" in told
    assert "staging" not in told


async def test_the_dashboard_leads_to_the_stages_and_so_does_a_stages_environment(staged: Office) -> None:
    browser = await staged.signed_in(ADA)
    assert f'href="{LIST}"' in (await browser.get("/")).text
    page = await browser.get(f"/environments/stage/{REPOSITORY.id}/integration")
    assert f'href="{PAGE}"' in page.text
