"""Buttons: who sees them, what the confirmation names, and what a forged or outdated one does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from bot.commands.outcome import Outcome, Result
from bot.commands.table import COMMANDS, Verb
from bot.github.messages.promotion_reasons import describe
from bot.model.environment import EnvironmentKey
from bot.model.person import Person
from bot.model.plan import PlannedChange, PlanSummary
from bot.model.promotion import PromotionState
from bot.model.release import Target
from bot.model.role import Role
from bot.promotions import stage_actions
from bot.promotions.stage_aggregate import StageAggregate
from bot.promotions.state_machine import step
from bot.web.pages.actions.buttons import BUTTONS, slug
from tests.stores import ManualClock
from tests.unit.environments.test_desired_state import PULL
from tests.unit.promotions.stage_fixtures import PIPELINE, facts, promotion, release
from tests.unit.web.pages.conftest import ADA, EVE, SHOP, URL, Browser, WebFixture
from tests.unit.web.pages.test_environments import ready, words

PREVIEW = f"preview/{SHOP.id}/{PULL.number}"
STAGE = EnvironmentKey.stage(SHOP.id, "production")
ORIGIN = {"Origin": URL}
_TOKEN = re.compile(r'name="token" value="([^"]+)"')


@pytest.fixture
async def shop(web: WebFixture, clock: ManualClock) -> WebFixture:
    web.github.readers = {SHOP.id: {"ada", "eve"}}
    web.github.configuration = PIPELINE
    await web.environment(ready(clock))
    return web


async def confirm(
    browser: Browser,
    address: str,
    headers: Mapping[str, str] = ORIGIN,
    token: str | None = None,
    **fields: str,
) -> httpx.Response:
    """Opens the confirmation and sends its form."""
    page = await browser.get(address)
    assert page.status_code == 200, page.text
    data = {"token": token if token is not None else _TOKEN.findall(page.text)[0], **fields}
    return await browser.post(address, data=data, headers=dict(headers))


async def given(web: WebFixture) -> list[str]:
    """The commands that were recorded, as lines of comments."""
    claims = await web.store.queue.claim("test", 50, 60)
    ids = [int(claim.key.subject) for claim in claims if claim.key.kind == "command"]
    commands = [await web.store.commands.get(id) for id in ids]
    return [item[0].page.text for item in commands if item is not None and item[0].page is not None]


def test_every_button_is_a_command() -> None:
    assert set(BUTTONS) <= set(COMMANDS)
    assert len({slug(verb) for verb in BUTTONS}) == len(BUTTONS)


async def test_preview_offers_what_its_state_and_the_role_permit(shop: WebFixture) -> None:
    page = (await (await shop.signed_in(ADA)).get(f"/environments/{PREVIEW}")).text
    for verb in (Verb.EXTEND, Verb.REFRESH, Verb.SLEEP, Verb.DESTROY):
        assert f'href="/actions/{slug(verb)}/{PREVIEW}"' in page
    shop.github.roles["eve"] = Role.TRIAGE
    page = (await (await shop.signed_in(EVE)).get(f"/environments/{PREVIEW}")).text
    assert f"/actions/extend/{PREVIEW}" in page
    assert "/actions/preview-refresh/" not in page


async def test_confirmed_button_records_the_users_command(shop: WebFixture, clock: ManualClock) -> None:
    browser = await shop.signed_in(ADA)
    page = words(await browser.get(f"/actions/extend/{PREVIEW}"))
    assert "acme/shop#3" in page
    assert "The preview expires later" in page
    answer = await confirm(browser, f"/actions/extend/{PREVIEW}", argument="3d")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"/environments/{PREVIEW}?command=")
    assert "/extend 3d is being processed." in words(await browser.get(answer.headers["location"]))
    assert await given(shop) == ["/extend 3d"]


async def test_result_is_shown_to_the_user_who_gave_the_command(shop: WebFixture) -> None:
    browser = await shop.signed_in(ADA)
    location = (await confirm(browser, f"/actions/destroy/{PREVIEW}")).headers["location"]
    [claim] = [item for item in await shop.store.queue.claim("t", 9, 60) if item.key.kind == "command"]
    stored = await shop.store.commands.get(int(claim.key.subject))
    assert stored is not None
    outcome = Outcome(Result.ACCEPTED, Verb.DESTROY)
    await shop.store.commands.decide(claim, stored[0], outcome, None, "ada", lambda _: "")
    assert "Deleting the preview" in words(await browser.get(location))
    assert "Deleting the preview" not in words(await (await shop.signed_in(EVE)).get(location))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://pr-3-shop.preview.example"},
        {"Origin": URL.replace("https", "http")},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_form_of_another_site_is_refused(shop: WebFixture, headers: dict[str, str]) -> None:
    answer = await confirm(await shop.signed_in(ADA), f"/actions/destroy/{PREVIEW}", headers)
    assert answer.status_code == 403
    assert await given(shop) == []


async def test_token_of_another_user_target_or_time_is_refused(shop: WebFixture, clock: ManualClock) -> None:
    ada, eve = await shop.signed_in(ADA), await shop.signed_in(EVE)
    destroy, extend = f"/actions/destroy/{PREVIEW}", f"/actions/extend/{PREVIEW}"
    tokens = {path: _TOKEN.findall((await ada.get(path)).text)[0] for path in (destroy, extend)}
    answers = [
        await confirm(eve, destroy, token=tokens[destroy]),
        await confirm(ada, destroy, token=tokens[extend]),
        await confirm(ada, destroy, token=""),
        await confirm(ada, destroy, token="x" * 9_000),
        await ada.post(destroy, content=b"\xff&token", headers=ORIGIN),
    ]
    clock.advance(16 * 60)
    answers.append(await confirm(ada, destroy, token=tokens[destroy]))
    assert [answer.status_code for answer in answers] == [409] * len(answers)
    assert await given(shop) == []


async def test_second_click_records_nothing_more(shop: WebFixture) -> None:
    browser = await shop.signed_in(ADA)
    path = f"/actions/destroy/{PREVIEW}"
    token = _TOKEN.findall((await browser.get(path)).text)[0]
    for _ in range(2):
        assert (await browser.post(path, data={"token": token}, headers=ORIGIN)).status_code == 303
    assert await given(shop) == ["/destroy"]


async def test_push_between_page_and_click_is_refused(shop: WebFixture) -> None:
    browser = await shop.signed_in(ADA)
    path = f"/actions/preview-refresh/{PREVIEW}"
    token = _TOKEN.findall((await browser.get(path)).text)[0]
    shop.github.pulls[PULL.number] = replace(PULL, head_sha="d" * 40)
    answer = await browser.post(path, data={"token": token}, headers=ORIGIN)
    assert answer.status_code == 409
    assert "has changed since" in words(answer)
    assert await given(shop) == []


@pytest.mark.parametrize(
    "path", [f"/actions/preview-refresh/{PREVIEW}", f"/actions/promote/{PREVIEW}?to=staging"]
)
async def test_role_is_read_at_the_click_and_without_answer_nothing_happens(
    shop: WebFixture, path: str
) -> None:
    browser = await shop.signed_in(ADA)
    token = _TOKEN.findall((await browser.get(path)).text)[0]
    shop.github.roles["ada"] = Role.TRIAGE
    answer = await browser.post(path, data={"token": token}, headers=ORIGIN)
    assert answer.status_code == 403
    assert "requires the role write; you have triage" in words(answer)
    shop.github.away = True
    assert (await browser.post(path, data={"token": token}, headers=ORIGIN)).status_code == 502
    shop.github.away, shop.github.readers = False, {}
    assert (await browser.post(path, data={"token": token}, headers=ORIGIN)).status_code == 404
    assert await given(shop) == []


@pytest.mark.parametrize(
    "path",
    [
        "/actions/lock/" + PREVIEW,
        "/actions/destroy/preview/7/99",
        "/actions/destroy/preview/9999/3",
        "/actions/destroy/preview/7/shop",
        "/actions/destroy/house/7/3",
        "/actions/approve/stage/7/nowhere?promotion=p1",
    ],
)
async def test_unknown_targets_are_not_found(shop: WebFixture, path: str) -> None:
    browser = await shop.signed_in(ADA)
    assert (await browser.get(path)).status_code == 404


@pytest.mark.parametrize("more", ["%200123456789ab", "%E2%80%8B0123456789ab", "%0A/destroy", "%20--move"])
async def test_address_adds_nothing_to_the_command(shop: WebFixture, more: str) -> None:
    """A link of another user could otherwise promote what the confirmation does not show."""
    browser = await shop.signed_in(ADA)
    answer = await browser.get(f"/actions/promote/{PREVIEW}?to=staging{more}")
    assert answer.status_code == 409
    assert "names no stage" in answer.text


async def test_confirmation_requires_sign_in(shop: WebFixture) -> None:
    async with shop.browser() as browser:
        answer = await browser.get(f"/actions/promote/{PREVIEW}?to=staging")
        assert answer.headers["location"].startswith("/sign-in?next=%2Factions%2Fpromote")
        sent = await browser.post(f"/actions/destroy/{PREVIEW}", headers=ORIGIN)
        assert sent.headers["location"] == "/sign-in"


@pytest.fixture
async def awaiting(shop: WebFixture, clock: ManualClock) -> WebFixture:
    """A promotion to production that waits for an approval."""
    now = clock()

    def request(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        aggregate = stage_actions.request(aggregate, promotion("production", "cem", "p1", now), now)
        aggregate = step(aggregate, "p1", facts(release("a"), authors=("eve",)), now)
        waiting = replace(
            aggregate.promotions["p1"], state=PromotionState.AWAITING_APPROVAL, policy=PIPELINE, number=7
        )
        return replace(aggregate, promotions={**aggregate.promotions, "p1": waiting})

    await shop.store.promotions.change(STAGE, SHOP, request)
    shop.github.pulls[7] = replace(PULL, number=7)
    return shop


async def test_approval_names_the_release_that_was_shown(awaiting: WebFixture) -> None:
    browser = await awaiting.signed_in(ADA)
    path = f"/actions/approve/{STAGE}?promotion=p1"
    assert path in (await browser.get(f"/stages/{SHOP.id}/production")).text
    page = words(await browser.get(path))
    assert f"Stage production Release {release('a').id} of aaaaaaa, from pull request #7" in page
    assert "You approve this release for this stage. The approval is valid for 24 hours." in page
    assert (await confirm(browser, path)).headers["location"].startswith(f"/stages/{SHOP.id}/production?")
    assert await given(awaiting) == [f"/approve production {release('a').id}"]


async def test_approval_is_offered_only_to_those_whose_approval_counts(awaiting: WebFixture) -> None:
    """The role permits the command to all of them."""
    path = f"/stages/{SHOP.id}/production"
    awaiting.github.readers[SHOP.id] |= {"cem"}
    offered = {
        person.login: "/actions/approve/" in (await (await awaiting.signed_in(person)).get(path)).text
        for person in (ADA, EVE, Person(3, "cem"))
    }
    assert offered == {"ada": True, "eve": False, "cem": False}  # eve is the author, cem the requester


async def test_plan_that_was_made_during_the_deployment_can_be_approved(
    awaiting: WebFixture, clock: ManualClock
) -> None:
    summary = PlanSummary(destroyed=("db.old",))

    def deploy(aggregate: StageAggregate) -> StageAggregate:
        waiting = replace(
            aggregate.promotions["p1"],
            state=PromotionState.DEPLOYING,
            plan=PlannedChange("ab" * 32, summary, needs_approval=True),
            missing=("an approval",),
        )
        stage = replace(aggregate.stage, active_promotion="p1")
        return replace(aggregate, stage=stage, promotions={**aggregate.promotions, "p1": waiting})

    await awaiting.store.promotions.change(STAGE, SHOP, deploy)
    browser = await awaiting.signed_in(ADA)
    assert "/actions/approve/" in (await browser.get(f"/stages/{SHOP.id}/production")).text
    assert "Waiting for your approval" in words(await browser.get("/"))


@pytest.mark.parametrize(
    ("verb", "fields", "line"),
    [
        (Verb.REJECT, {"argument": "not  today"}, "/reject production not today"),
        (Verb.PAUSE, {}, "/pause production"),
        (Verb.ABORT, {"argument": "/approve production"}, "/abort production /approve production"),
    ],
)
async def test_promotion_buttons_give_their_commands(
    awaiting: WebFixture, verb: Verb, fields: dict[str, str], line: str
) -> None:
    browser = await awaiting.signed_in(ADA)
    answer = await confirm(browser, f"/actions/{slug(verb)}/{STAGE}?promotion=p1", ORIGIN, None, **fields)
    assert answer.status_code == 303
    assert await given(awaiting) == [line]


async def test_promotion_that_ended_meanwhile_is_refused(awaiting: WebFixture, clock: ManualClock) -> None:
    browser = await awaiting.signed_in(ADA)
    path = f"/actions/reject/{STAGE}?promotion=p1"
    token = _TOKEN.findall((await browser.get(path)).text)[0]

    def reject(aggregate: StageAggregate) -> StageAggregate:
        promoted = aggregate.promotions["p1"]
        return stage_actions.reject(replace(aggregate, describe=describe), promoted, "bea", "", clock())

    await awaiting.store.promotions.change(STAGE, SHOP, reject)
    answer = await browser.post(path, data={"token": token}, headers=ORIGIN)
    assert answer.status_code == 409
    assert "This promotion to production has ended." in words(answer)


async def test_stranger_sees_no_buttons(awaiting: WebFixture) -> None:
    awaiting.github.roles["ada"] = Role.READ
    browser = await awaiting.signed_in(ADA)
    assert "/actions/" not in (await browser.get(f"/stages/{SHOP.id}/production")).text
    awaiting.github.readers = {}
    awaiting.access_time += 61
    stranger = await awaiting.signed_in(Person(9, "mallory"))
    assert (await stranger.get(f"/actions/approve/{STAGE}?promotion=p1")).status_code == 404


async def verify(web: WebFixture, *attempts: tuple[str, str], deleted: bool = False) -> None:
    """Verifies releases with the texts of `.greenroom.yml` on staging, one after another."""
    key, now = EnvironmentKey.stage(SHOP.id, "staging"), web.clock()

    def run(aggregate: StageAggregate) -> StageAggregate:
        aggregate = replace(aggregate, describe=describe)
        for serial, (commit, text) in enumerate(attempts, 1):
            target = Target(release(commit), text, serial)
            promoted = promotion("staging", "cem", f"p{serial}", now)
            aggregate = stage_actions.request(aggregate, promoted, now).set_target(target, now, promoted.id)
            aggregate = aggregate.verify(promoted, now + timedelta(minutes=serial))
        return aggregate.set_target(None, now, "") if deleted else aggregate

    await web.store.promotions.change(key, SHOP, run)
    web.github.pulls[7] = replace(PULL, number=7)


async def test_rollback_of_a_stage_on_which_nothing_runs_is_not_offered(shop: WebFixture) -> None:
    await verify(shop, ("a", PIPELINE), ("b", PIPELINE), deleted=True)
    browser = await shop.signed_in(ADA)
    page = await browser.get(f"/stages/{SHOP.id}/staging")
    assert "/actions/rollback/" not in page.text
    assert (await browser.get(f"/actions/rollback/stage/{SHOP.id}/staging")).status_code == 409


async def test_rollback_names_the_release_to_which_the_command_returns(shop: WebFixture) -> None:
    """The same release with an earlier configuration is an earlier verified state of the stage."""
    changed = PIPELINE.replace("COLOUR: blue", "COLOUR: red")
    await verify(shop, ("a", PIPELINE), ("b", PIPELINE), ("b", changed))
    page = words(await (await shop.signed_in(ADA)).get(f"/actions/rollback/stage/{SHOP.id}/staging"))
    source = f"{release('b').id} of bbbbbbb, from pull request #7"
    assert f"Returns to {source}, with its configuration before the last change" in page
