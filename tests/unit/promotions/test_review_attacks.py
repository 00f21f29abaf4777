"""Attempts to bring unreviewed commits to a protected stage, on a real store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.model.environment import EnvironmentKey, EnvironmentState, UserOverrides
from bot.model.promotion import Promotion, PromotionState
from bot.model.release import Origin, Target
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.simulation import FORK, PIPELINE, PromotionSimulation
from tests.unit.promotions.stage_fixtures import SHOP, release

State = PromotionState
MERGE, PUSHED, HEAD = "2" * 40, "3" * 40, "a" * 40
DEMO = "demo: {sales: {}}\n"


@pytest.fixture
async def simulation(store: Store, clock: ManualClock) -> PromotionSimulation:
    """#7 with the head a was reviewed by grace and merged as 2."""
    simulation = PromotionSimulation(store, clock)
    pipeline = PIPELINE.replace("approvals: {count: 1}, soak: 10m", "")
    simulation.configure(pipeline.replace("{protected: true, }", "{protected: true}") + DEMO)
    github = simulation.github
    github.merged[MERGE] = 7
    github.trees[MERGE] = HEAD
    github.main += [HEAD, MERGE, PUSHED]
    return simulation


async def promote(simulation: PromotionSimulation, release: str, stage: str = "production") -> Promotion:
    """Types the command on #7."""
    requested = await simulation.service.promote(simulation.requester("bea"), stage, release)
    await simulation.work(40)
    promotion = await simulation.store.promotions.get(requested.id)
    assert promotion is not None
    return promotion


async def test_reviewed_merge_reaches_a_protected_stage(simulation: PromotionSimulation) -> None:
    promotion = await promote(simulation, MERGE)
    assert promotion.state is State.SUCCEEDED, promotion.reason


async def test_direct_push_is_not_covered_by_reviews_of_another_pull_request(
    simulation: PromotionSimulation,
) -> None:
    promotion = await promote(simulation, PUSHED)
    assert promotion.state is State.REJECTED
    assert "3333333 did not come from a pull request, so it has no review" in promotion.reason
    stored = await simulation.store.releases.of_commit(7, PUSHED)
    assert stored is not None
    assert stored.number is None


async def test_direct_push_of_the_merged_content_is_not_reviewed(simulation: PromotionSimulation) -> None:
    simulation.github.trees[PUSHED] = HEAD
    promotion = await promote(simulation, PUSHED)
    assert promotion.state is State.REJECTED


async def test_merge_that_changed_the_content_is_not_reviewed(simulation: PromotionSimulation) -> None:
    simulation.github.trees[MERGE] = "other"
    promotion = await promote(simulation, MERGE)
    assert promotion.state is State.REJECTED
    assert "merging #7 changed the content that was reviewed" in promotion.reason


async def test_head_of_a_merged_fork_counts_as_built_by_the_fork(simulation: PromotionSimulation) -> None:
    simulation.github.forks.add(7)
    promotion = await promote(simulation, HEAD)
    assert promotion.state is State.REJECTED
    assert "built for a fork" in promotion.reason
    assert promotion.release is not None
    assert promotion.release.from_fork
    promotion = await promote(simulation, HEAD, "sales")
    assert promotion.state is State.REJECTED
    promotion = await promote(simulation, MERGE)
    assert promotion.state is State.SUCCEEDED, promotion.reason


async def test_preview_with_the_head_of_a_fork_counts_as_built_by_the_fork(
    simulation: PromotionSimulation,
) -> None:
    stored = release()
    await simulation.store.releases.keep(stored)
    simulation.github.merged.clear()
    simulation.github.opened.add(8)
    simulation.github.forks.add(8)
    for stage in ("production", "sales"):
        promotion = await promote(simulation, stored.id, stage)
        assert promotion.state is State.REJECTED
        assert "built for a fork" in promotion.reason


@pytest.mark.parametrize("reviewed_on", [7, 8, 9])
async def test_reviews_of_any_pull_request_with_the_head_count(
    simulation: PromotionSimulation, reviewed_on: int
) -> None:
    """The preview of #7 made the release; #7 was closed, and #9 has the same head."""
    stored, github = release(), simulation.github
    await simulation.store.releases.keep(stored)
    github.merged.clear()
    github.opened, github.reviewed_on = {9}, reviewed_on
    promotion = await promote(simulation, stored.id)
    assert promotion.state is (State.REJECTED if reviewed_on == 8 else State.SUCCEEDED), promotion.reason


async def test_review_of_another_base_does_not_count(simulation: PromotionSimulation) -> None:
    github, reviewed_at = simulation.github, simulation.clock()
    github.reviewed_at, github.base_changed_at = reviewed_at, reviewed_at + timedelta(minutes=1)
    promotion = await promote(simulation, MERGE)
    assert promotion.state is State.REJECTED
    assert "grace approved before the base branch changed and must review again" in promotion.reason
    github.reviewed_at = github.base_changed_at + timedelta(minutes=1)
    promotion = await promote(simulation, MERGE)
    assert promotion.state is State.SUCCEEDED, promotion.reason


@pytest.mark.parametrize("fork", [False, True])
async def test_stored_number_of_a_branch_build_is_not_trusted(
    simulation: PromotionSimulation, fork: bool
) -> None:
    """Older versions stored the pull request on which the command was typed, and no build of a fork."""
    commit = HEAD if fork else PUSHED
    simulation.github.forks |= {7} if fork else set()
    stored = replace(release(origin=Origin.DEFAULT_BRANCH), commit=commit, number=7)
    await simulation.store.releases.keep(stored)
    for stage in ("production", "sales") if fork else ("production",):
        for name in (stored.id, commit):
            promotion = await promote(simulation, name, stage)
            assert promotion.state is State.REJECTED, (stage, name)


async def test_unreadable_source_is_not_reviewed(simulation: PromotionSimulation) -> None:
    stored = replace(release(origin=Origin.DEFAULT_BRANCH), commit=MERGE)
    await simulation.store.releases.keep(stored)
    simulation.github.unseen = "merged"
    for stage in ("production", "sales"):
        promotion = await promote(simulation, stored.id, stage)
        assert promotion.state is State.GATING
        assert any("cannot be read" in gate.reason for gate in promotion.gates)


async def test_environment_with_secrets_never_runs_a_release_of_a_fork(
    simulation: PromotionSimulation,
) -> None:
    """Whatever the gates accepted, such as a target that an older version stored."""
    await promote(simulation, MERGE, "integration")
    environments, key = simulation.store.environments, EnvironmentKey.stage(SHOP.id, "integration")
    stage = "integration: {secrets: {TOKEN: 'env:TOKEN'}}"
    configuration = PIPELINE.replace("integration: {}", stage)
    ran = len(simulation.cluster.ran)

    def target_fork(overrides: UserOverrides) -> UserOverrides:
        return replace(overrides, target=Target(release(FORK, fork=True), configuration, 99))

    await environments.update_overrides(key, target_fork, "an older version", by="")
    await simulation.work(20)
    environment = await environments.get(key)
    assert environment is not None
    assert environment.status.state is EnvironmentState.FAILED
    assert environment.status.cause is not None
    assert (
        "secrets (`TOKEN`), so it does not run releases built for a fork" in environment.status.cause.summary
    )
    assert len(simulation.cluster.ran) == ran
