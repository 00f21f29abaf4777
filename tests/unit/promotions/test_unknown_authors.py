"""Releases with authors whom GitHub does not know, on a real store."""

from __future__ import annotations

import pytest

from bot.model.commit import UnknownAuthor, UnknownRole
from bot.model.promotion import Promotion
from bot.model.promotion import PromotionState as State
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.simulation import PIPELINE, RELEASES, PromotionSimulation
from tests.unit.promotions.stage_fixtures import SHOP

HEAD = "a" * 40
APPROVED = PIPELINE.replace("integration: {}", "integration: {approvals: {count: 1}}")
PROTECTED = PIPELINE.replace("approvals: {count: 1}, soak: 10m", "").replace("true, }", "true}")


@pytest.fixture
async def simulation(store: Store, clock: ManualClock) -> PromotionSimulation:
    simulation = PromotionSimulation(store, clock)
    await simulation.begin()
    simulation.github.unknown = (UnknownAuthor(HEAD, UnknownRole.AUTHOR),)
    return simulation


async def vouch(simulation: PromotionSimulation, by: str, commit: str = HEAD) -> None:
    await simulation.service.vouch(simulation.requester(by), commit)
    await simulation.work(60)


async def latest(simulation: PromotionSimulation, stage: str) -> Promotion:
    await simulation.work(60)
    promotions = await simulation.store.promotions.find(SHOP.id)
    return next(promotion for promotion in promotions if promotion.stage.name == stage)


def blocking(promotion: Promotion) -> str:
    return "; ".join(gate.reason for gate in promotion.gates if not gate.passed)


async def test_approvals_wait_until_a_maintainer_vouches(simulation: PromotionSimulation) -> None:
    simulation.configure(APPROVED)
    await simulation.command("promote", "integration", "dora", "a")
    promotion = await latest(simulation, "integration")
    assert promotion.state is State.GATING
    assert "the author of aaaaaaa to no account" in blocking(promotion)
    assert "`/vouch` on #7" in blocking(promotion)
    simulation.clock.advance(2)
    await simulation.command("approve", "integration", "bea", "a")
    assert (await latest(simulation, "integration")).state is State.GATING
    await vouch(simulation, "cem")
    assert (await latest(simulation, "integration")).state is State.SUCCEEDED


async def test_advice_for_an_older_commit_names_it(simulation: PromotionSimulation) -> None:
    simulation.configure(APPROVED)
    simulation.github.pushed = "b"
    await simulation.service.promote(simulation.requester("dora"), "integration", RELEASES["a"].id)
    promotion = await latest(simulation, "integration")
    assert f"comments `/vouch {HEAD}`" in blocking(promotion)
    await vouch(simulation, "cem")
    assert (await latest(simulation, "integration")).state is State.AWAITING_APPROVAL


async def test_voucher_counts_as_an_author(simulation: PromotionSimulation) -> None:
    """The unknown author may be the very user who vouches."""
    simulation.configure(APPROVED)
    await simulation.command("promote", "integration", "dora", "a")
    await simulation.work(60)
    simulation.clock.advance(2)
    await simulation.command("approve", "integration", "bea", "a")
    await vouch(simulation, "bea")
    promotion = await latest(simulation, "integration")
    assert promotion.state is State.AWAITING_APPROVAL
    assert "bea" in promotion.authors
    simulation.clock.advance(2)
    await simulation.command("approve", "integration", "bea", "a")
    assert (await latest(simulation, "integration")).state is State.AWAITING_APPROVAL
    await simulation.command("approve", "integration", "cem", "a")
    assert (await latest(simulation, "integration")).state is State.SUCCEEDED


@pytest.mark.parametrize(("by", "state"), [("cem", State.SUCCEEDED), ("grace", State.REJECTED)])
async def test_reviews_wait_until_a_maintainer_vouches(
    simulation: PromotionSimulation, by: str, state: State
) -> None:
    """Grace is the only reviewer."""
    simulation.configure(PROTECTED)
    await simulation.command("promote", "production", "dora", "a")
    promotion = await latest(simulation, "production")
    assert promotion.state is State.GATING
    assert blocking(promotion).count("/vouch") == 1
    await vouch(simulation, by)
    assert (await latest(simulation, "production")).state is state


async def test_voucher_answers_for_one_commit_only(simulation: PromotionSimulation) -> None:
    simulation.configure(APPROVED)
    await simulation.command("promote", "integration", "dora", "a")
    await simulation.work(60)
    await vouch(simulation, "cem", "b" * 40)
    promotion = await latest(simulation, "integration")
    assert promotion.state is State.GATING
    assert RELEASES["a"].commit == HEAD


async def test_direct_push_names_the_commit_to_vouch_for(simulation: PromotionSimulation) -> None:
    pushed = "1" * 40
    simulation.configure(APPROVED.replace("integration: {", "integration: {automatic: true, "))
    simulation.github.main.append(pushed)
    await simulation.store.deliveries.wake_pipelines([SHOP])
    promotion = await latest(simulation, "integration")
    assert f"`/vouch {pushed}`" in blocking(promotion)
    await vouch(simulation, "cem", pushed)
    assert (await latest(simulation, "integration")).state is State.AWAITING_APPROVAL


async def test_vouching_is_recorded_once(simulation: PromotionSimulation) -> None:
    requester = simulation.requester("cem")
    for _ in range(3):
        await simulation.service.vouch(requester, HEAD)
    [entry] = await simulation.store.audit.entries(SHOP.id)
    assert (entry.actor, entry.action, entry.after) == ("cem", "vouched", HEAD)
    assert await simulation.store.promotions.vouchers(SHOP.id, HEAD) == ["cem"]
    assert await simulation.store.promotions.vouchers(SHOP.id + 1, HEAD) == []
