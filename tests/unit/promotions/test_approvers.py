"""Approvers whose role or teams changed, and releases that an approval names, on a real store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.github.messages.refusals import refusal
from bot.model.promotion import Approval, Promotion
from bot.model.promotion import PromotionState as State
from bot.model.release import Image
from bot.model.role import Role
from bot.promotions.approvals import Approver, is_confirmed
from bot.promotions.refusals import Refusal
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.simulation import PIPELINE, RELEASES, PromotionSimulation
from tests.unit.promotions.stage_fixtures import NOW, SHOP, promotion, release

HEAD = "a" * 40
TEAMS = PIPELINE.replace("integration: {}", "integration: {approvals: {count: 2, teams: [ops]}}")


@pytest.fixture
async def simulation(store: Store, clock: ManualClock) -> PromotionSimulation:
    """dora requested a promotion that bea, of the team ops, approved; it requires a second approval."""
    simulation = PromotionSimulation(store, clock)
    await simulation.begin()
    simulation.configure(TEAMS)
    simulation.github.members["ops"] = {"bea", "cem", "fay"}
    await simulation.command("promote", "integration", "dora", "a")
    await approve(simulation, "bea")
    return simulation


async def approve(simulation: PromotionSimulation, by: str) -> Promotion:
    simulation.clock.advance(61)
    await simulation.work(60)
    await simulation.command("approve", "integration", by, "a")
    return await latest(simulation)


async def latest(simulation: PromotionSimulation) -> Promotion:
    await simulation.work(60)
    promotions = await simulation.store.promotions.find(SHOP.id)
    return next(promotion for promotion in promotions if promotion.stage.name == "integration")


async def test_present_approvers_suffice(simulation: PromotionSimulation) -> None:
    assert (await approve(simulation, "cem")).state is State.SUCCEEDED


@pytest.mark.parametrize("change", ["role", "team"])
async def test_approval_of_a_former_approver_does_not_count(
    simulation: PromotionSimulation, change: str
) -> None:
    if change == "role":
        simulation.github.roles["bea"] = Role.READ
    else:
        simulation.github.members["ops"].remove("bea")
    waiting = await approve(simulation, "cem")
    assert waiting.state is State.AWAITING_APPROVAL
    assert waiting.missing
    [event] = [entry.event for entry in waiting.timeline if "no longer counts" in entry.event]
    assert ("bea has no write access" if change == "role" else "bea left the team") in event
    assert (await approve(simulation, "fay")).state is State.SUCCEEDED


async def test_approvers_that_cannot_be_read_do_not_count(simulation: PromotionSimulation) -> None:
    simulation.github.unread = {"bea"}
    waiting = await approve(simulation, "cem")
    assert waiting.state in (State.AWAITING_APPROVAL, State.QUEUED)
    [gate] = [gate for gate in waiting.gates if not gate.passed]
    assert gate.reason == "the current role and teams of the approvers cannot be read"
    simulation.github.unread = set()
    simulation.clock.advance(61)
    assert (await latest(simulation)).state is State.SUCCEEDED


DIGEST = "digest of the configuration"
PEOPLE = ("bea", "cem", "fay")
APPROVERS = st.one_of(st.none(), st.builds(Approver, st.booleans(), st.sampled_from(((), ("ops",)))))


@given(
    st.dictionaries(st.sampled_from(PEOPLE), APPROVERS),
    st.lists(st.sampled_from(PEOPLE), unique=True),
)
def test_only_approvers_with_role_and_team_are_confirmed(
    approvers: dict[str, Approver | None], approved_by: list[str]
) -> None:
    given = tuple(Approval(by.upper(), NOW, release().id, DIGEST, ("ops",)) for by in approved_by)
    waiting = promotion(
        by="dora",
        release=release(),
        policy=TEAMS,
        configuration_digest=DIGEST,
        approvals=given,
    )
    present = [
        by
        for by in approved_by
        if (approver := approvers.get(by)) is not None and approver.may_write and "ops" in approver.teams
    ]
    assert is_confirmed(waiting, approvers, NOW + timedelta(hours=1)) is (len(present) >= 2)


async def test_digits_of_a_commit_with_two_releases_are_refused(simulation: PromotionSimulation) -> None:
    other = replace(RELEASES["a"], images={"shop": Image("ghcr.io/acme/shop", "sha256:" + "9" * 64)})
    await simulation.store.releases.keep(other)
    written_at = simulation.clock() + timedelta(seconds=1)
    for named in (HEAD, HEAD[:7]):
        with pytest.raises(Refusal) as refused:
            await simulation.service.approve(simulation.requester("cem"), "integration", written_at, named)
        text = refusal(refused.value.reason)
        assert f"commit {named} has 2 releases" in text
        assert f"`/approve integration {RELEASES['a'].id}`" in text
        assert f"`/approve integration {other.id}`" in text
    assert (await latest(simulation)).state is State.AWAITING_APPROVAL
    id = RELEASES["a"].id
    await simulation.service.approve(simulation.requester("cem"), "integration", written_at, id)
    assert (await latest(simulation)).state is State.SUCCEEDED
