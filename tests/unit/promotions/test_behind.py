"""A promotion warns if its release lacks commits that run on the stage."""

from __future__ import annotations

from bot.model.promotion import GateResult, Promotion
from bot.model.promotion import PromotionState as State
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.simulation import PIPELINE, PromotionSimulation
from tests.unit.promotions.stage_fixtures import PIPELINE as STAGES
from tests.unit.promotions.stage_fixtures import Stages, facts, release

OLD, NEW = "1" * 40, "2" * 40


def behind(promotion: Promotion) -> GateResult:
    return next(gate for gate in promotion.gates if gate.name == "behind")


def test_release_behind_the_stage_passes_with_a_warning(stages: Stages) -> None:
    text = STAGES.replace("integration: {}", "integration: {approvals: {count: 1}}")
    stages.run("integration", release("b"), "p1", text=text)
    stages.request("integration", by="dora", id="p2")
    observed = facts(release("a"), text=text, behind=2)
    assert stages.step("integration", observed, "p2") is State.AWAITING_APPROVAL
    gate = behind(stages.promotion("integration", "p2"))
    assert gate.passed
    assert gate.reason.startswith(
        "this release is 2 commits behind bbbbbbb, which it replaces on integration"
    )


async def test_older_release_of_the_default_branch_is_behind(store: Store, clock: ManualClock) -> None:
    simulation = PromotionSimulation(store, clock)
    simulation.configure(PIPELINE)
    simulation.github.main += [OLD, "3" * 40, NEW]
    for commit in (OLD, NEW, OLD):
        await simulation.service.promote(simulation.requester("bea"), "integration", commit)
        await simulation.work(60)
        simulation.clock.advance(1)
    every_stage = await store.promotions.find(7)
    promotions = [promotion for promotion in every_stage if promotion.stage.name == "integration"]
    assert {promotion.state for promotion in promotions} == {State.SUCCEEDED}
    again, newer, older = promotions
    assert "2 commits behind 2222222" in behind(again).reason
    assert behind(newer).reason == behind(older).reason == ""


async def test_unreadable_comparison_warns_of_nothing(store: Store, clock: ManualClock) -> None:
    simulation = PromotionSimulation(store, clock)
    simulation.configure(PIPELINE)
    simulation.github.main += [OLD, NEW]
    simulation.github.unseen = "behind"
    for commit in (NEW, OLD):
        requested = await simulation.service.promote(simulation.requester("bea"), "integration", commit)
        await simulation.work(60)
    promotion = await store.promotions.get(requested.id)
    assert promotion is not None
    assert (promotion.state, behind(promotion).reason) == (State.SUCCEEDED, "")
