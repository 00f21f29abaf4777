"""Pushes to the default branch are promoted to the first automatic stages."""

from __future__ import annotations

import pytest

from bot.model.errors import Unavailable
from bot.model.promotion import Promotion, PromotionState
from bot.model.release import Origin
from bot.promotions.service import Requester
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments import fakes
from tests.unit.promotions.simulation import PIPELINE, RELEASES, PromotionSimulation
from tests.unit.promotions.stage_fixtures import SHOP

State = PromotionState
PUSHED = "1" * 40
AUTOMATIC = PIPELINE.replace("integration: {}", "integration: {automatic: true}")


@pytest.fixture
async def simulation(store: Store, clock: ManualClock) -> PromotionSimulation:
    simulation = PromotionSimulation(store, clock)
    await simulation.begin()
    simulation.github.configuration = AUTOMATIC
    return simulation


async def push(simulation: PromotionSimulation, commit: str = PUSHED) -> None:
    simulation.github.main.append(commit)
    await wake(simulation)


async def wake(simulation: PromotionSimulation) -> None:
    """Wake the pipeline, as a delivery or a sweep does."""
    await simulation.store.deliveries.wake_pipelines([SHOP])
    await simulation.work(60)


async def promotions_of(simulation: PromotionSimulation, stage: str) -> list[Promotion]:
    """The newest first."""
    promotions = await simulation.store.promotions.find(SHOP.id, limit=100)
    return [promotion for promotion in promotions if promotion.stage.name == stage]


async def test_push_promotes_the_branch_build_through_automatic_stages(
    simulation: PromotionSimulation,
) -> None:
    await push(simulation)
    for stage in ("integration", "staging"):
        [promotion] = await promotions_of(simulation, stage)
        assert (promotion.state, promotion.number, promotion.requested_by) == (State.SUCCEEDED, None, "")
        assert promotion.release is not None
        assert (promotion.release.commit, promotion.release.origin) == (PUSHED, Origin.DEFAULT_BRANCH)
    [first] = await promotions_of(simulation, "integration")
    assert (
        first.note
        == "1111111 did not come from a pull request, so CI's build of the default branch's 1111111 is used"
    )


async def test_repeated_wakeups_promote_once(simulation: PromotionSimulation) -> None:
    await push(simulation)
    entries = await simulation.store.audit.entries(SHOP.id, limit=1000)
    for _ in range(10):
        await wake(simulation)
    assert len(await promotions_of(simulation, "integration")) == 1
    assert await simulation.store.audit.entries(SHOP.id, limit=1000) == entries


async def test_merge_commit_promotes_the_reviewed_release(simulation: PromotionSimulation) -> None:
    simulation.github.merged[RELEASES["a"].tree] = 7  # the same content
    await push(simulation, RELEASES["a"].tree)
    [promotion] = await promotions_of(simulation, "integration")
    assert (promotion.release, promotion.number) == (RELEASES["a"], 7)


async def test_late_pull_request_creates_no_second_promotion(simulation: PromotionSimulation) -> None:
    simulation.registry.digest = None
    merge = "2" * 40
    await push(simulation, merge)
    [waiting] = await promotions_of(simulation, "integration")
    assert (waiting.state, waiting.number) == (State.REQUESTED, None)
    simulation.github.merged[merge] = 7
    simulation.github.trees[merge] = RELEASES["a"].tree
    simulation.clock.advance(61)
    await wake(simulation)
    [promotion] = await promotions_of(simulation, "integration")
    assert (promotion.state, promotion.release, promotion.number) == (State.SUCCEEDED, RELEASES["a"], 7)


async def test_waiting_promotion_names_the_unavailable_registry(
    simulation: PromotionSimulation,
) -> None:
    problem = "the registry ghcr.io cannot be reached: nothing listens at ghcr.io:443 (connection refused)"
    simulation.registry.error = Unavailable(problem)
    await push(simulation, "2" * 40)
    [waiting] = await promotions_of(simulation, "integration")
    assert (waiting.state, waiting.waiting_for) == (State.REQUESTED, f"{problem}; Greenroom tries again")
    simulation.registry.error = None
    simulation.clock.advance(61)
    await wake(simulation)
    [promotion] = await promotions_of(simulation, "integration")
    assert (promotion.state, promotion.waiting_for) == (State.SUCCEEDED, "")


async def test_newer_head_supersedes_a_waiting_promotion(simulation: PromotionSimulation) -> None:
    simulation.registry.digest = None
    await push(simulation, "2" * 40)
    simulation.clock.advance(1)
    await push(simulation, "3" * 40)
    simulation.registry.digest = fakes.DIGEST
    simulation.clock.advance(61)
    await simulation.work(60)
    newer, older = await promotions_of(simulation, "integration")
    assert (older.state, older.reason) == (State.SUPERSEDED, "a newer release was requested")
    assert (newer.state, newer.commit) == (State.SUCCEEDED, "3" * 40)


async def test_direct_push_is_unreviewed(simulation: PromotionSimulation) -> None:
    await push(simulation)
    release = (await promotions_of(simulation, "integration"))[0].release
    assert release is not None
    await simulation.service.promote(simulation.requester("bea"), "production", release.id)
    await simulation.work(20)
    [promotion] = await promotions_of(simulation, "production")
    assert promotion.state is State.REJECTED
    assert "1111111 did not come from a pull request, so it has no review" in promotion.reason


async def test_manual_or_invalid_pipeline_starts_nothing(simulation: PromotionSimulation) -> None:
    for text in (PIPELINE, "version: 1", AUTOMATIC + "  staging: {}"):
        simulation.github.configuration = text
        await push(simulation)
    assert await simulation.store.promotions.find(SHOP.id) == []


async def test_stage_on_hold_rejects_automatic_promotions(simulation: PromotionSimulation) -> None:
    await simulation.service.hold(simulation.requester("bea"), "integration", "load test")
    await push(simulation)
    [promotion] = await promotions_of(simulation, "integration")
    assert promotion.state is State.REJECTED
    assert "on hold" in promotion.reason


async def end_of_hold(simulation: PromotionSimulation, stage: str = "integration") -> None:
    simulation.clock.advance(1)
    await simulation.service.unhold(simulation.requester("bea"), stage)
    simulation.clock.advance(1)
    await simulation.work(120)


async def test_end_of_a_hold_promotes_the_newest_head(simulation: PromotionSimulation) -> None:
    await simulation.service.hold(simulation.requester("bea"), "integration", "load test")
    for commit in ("2" * 40, "3" * 40):
        simulation.clock.advance(1)
        await push(simulation, commit)
    await end_of_hold(simulation)
    promoted, *rejected = await promotions_of(simulation, "integration")
    assert (promoted.state, promoted.commit, promoted.automatic) == (State.SUCCEEDED, "3" * 40, True)
    assert [promotion.state for promotion in rejected] == [State.REJECTED] * 2
    await wake(simulation)
    assert len(await promotions_of(simulation, "integration")) == 3


async def test_end_of_a_hold_continues_the_pipeline(simulation: PromotionSimulation) -> None:
    await simulation.service.hold(simulation.requester("bea"), "staging", "")
    await push(simulation)
    assert (await promotions_of(simulation, "staging"))[0].state is State.REJECTED
    await end_of_hold(simulation, "staging")
    assert (await promotions_of(simulation, "staging"))[0].state is State.SUCCEEDED


async def test_end_of_a_hold_promotes_what_a_rollback_ended(simulation: PromotionSimulation) -> None:
    await push(simulation, "2" * 40)
    simulation.clock.advance(1)
    await push(simulation, "3" * 40)
    simulation.registry.digest = None
    simulation.clock.advance(1)
    await push(simulation, "4" * 40)
    simulation.clock.advance(1)
    await simulation.service.rollback(simulation.requester("bea"), "integration")
    await simulation.work(60)
    rollback, ended, *_ = await promotions_of(simulation, "integration")
    assert (rollback.state, ended.state) == (State.ROLLED_BACK, State.SUPERSEDED)
    simulation.registry.digest = fakes.DIGEST
    await end_of_hold(simulation)
    [promoted, *_] = await promotions_of(simulation, "integration")
    assert (promoted.state, promoted.commit) == (State.SUCCEEDED, "4" * 40)


async def test_end_of_a_hold_repeats_nothing_that_a_user_ended_or_that_ran(
    simulation: PromotionSimulation,
) -> None:
    await push(simulation)
    await simulation.service.hold(simulation.requester("bea"), "integration", "")
    await end_of_hold(simulation)
    assert len(await promotions_of(simulation, "integration")) == 1
    simulation.registry.digest = None
    simulation.clock.advance(1)
    await push(simulation, "2" * 40)
    await simulation.service.hold(simulation.requester("bea"), "integration", "")
    await simulation.service.abort(simulation.requester("bea"), "integration", "")
    await end_of_hold(simulation)
    assert len(await promotions_of(simulation, "integration")) == 2


@pytest.mark.parametrize("steps", range(1, 8))
async def test_crash_at_any_step_promotes_once(simulation: PromotionSimulation, steps: int) -> None:
    simulation.github.main.append(PUSHED)
    await simulation.store.deliveries.wake_pipelines([SHOP])
    simulation.fuse.left = steps
    await simulation.work(60)
    simulation.fuse.left = 0
    simulation.clock.advance(120)
    await simulation.work(60)
    [promotion] = await promotions_of(simulation, "integration")
    assert promotion.state is State.SUCCEEDED
    await simulation.check_pods_match_store()


async def test_merge_to_another_branch_is_rejected(simulation: PromotionSimulation) -> None:
    merge = "2" * 40
    simulation.github.base, simulation.github.merged[merge] = "next", 7
    promotion = await simulation.service.promote(
        Requester(SHOP, "bea", "comment/1", 7, "a" * 40), "integration"
    )
    await simulation.work(60)
    refused = await simulation.store.promotions.get(promotion.id)
    assert refused is not None
    assert refused.state is State.REJECTED
    assert "2222222 is only on next, not on main" in refused.reason
    simulation.github.main.append(merge)  # later it is merged there, too
    again = await simulation.service.promote(Requester(SHOP, "bea", "comment/2", 7, "a" * 40), "integration")
    await simulation.work(60)
    taken = await simulation.store.promotions.get(again.id)
    assert taken is not None
    assert taken.release is not None
    assert (taken.state, taken.release.origin) == (State.SUCCEEDED, Origin.DEFAULT_BRANCH)
