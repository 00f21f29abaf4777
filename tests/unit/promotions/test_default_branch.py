"""What is pushed to the default branch goes to the stages with which an automatic pipeline begins."""

from __future__ import annotations

import pytest

from bot.model.promotion import Promotion, PromotionState
from bot.model.release import Origin
from bot.promotions.service import Requester
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments import fakes
from tests.unit.promotions.simulation import PIPELINE, RELEASES, Town
from tests.unit.promotions.stage_fixtures import SHOP

State = PromotionState
PUSHED = "1" * 40
AUTOMATIC = PIPELINE.replace("integration: {}", "integration: {automatic: true}")


@pytest.fixture
async def town(store: Store, clock: ManualClock) -> Town:
    town = Town(store, clock)
    await town.begin()
    town.github.configuration = AUTOMATIC
    return town


async def push(town: Town, commit: str = PUSHED) -> None:
    town.github.main.append(commit)
    await told(town)


async def told(town: Town) -> None:
    """A delivery, a sweep: whatever makes it look."""
    await town.store.deliveries.wake_pipelines([SHOP])
    await town.work(60)


async def on(town: Town, stage: str) -> list[Promotion]:
    """The newest first."""
    found = await town.store.promotions.find(SHOP.id, limit=100)
    return [each for each in found if each.stage.name == stage]


async def test_a_push_goes_as_the_default_branchs_own_build_and_further_by_itself(town: Town) -> None:
    await push(town)
    for stage in ("integration", "staging"):
        [one] = await on(town, stage)
        assert (one.state, one.number, one.requested_by) == (State.SUCCEEDED, None, "")
        assert one.release is not None
        assert (one.release.commit, one.release.origin) == (PUSHED, Origin.DEFAULT_BRANCH)
    [first] = await on(town, "integration")
    assert first.note == "no pull request brought 1111111, so it is the default branch's own build"


async def test_told_ten_times_it_goes_once(town: Town) -> None:
    await push(town)
    entries = await town.store.audit.entries(SHOP.id, limit=1000)
    for _ in range(10):
        await told(town)
    assert len(await on(town, "integration")) == 1
    assert await town.store.audit.entries(SHOP.id, limit=1000) == entries


async def test_what_a_pull_request_brought_is_what_reviewers_saw_and_told_there(town: Town) -> None:
    town.github.merged[RELEASES["a"].tree] = 7  # the same content
    await push(town, RELEASES["a"].tree)
    [one] = await on(town, "integration")
    assert (one.release, one.number) == (RELEASES["a"], 7)


async def test_a_pull_request_that_github_names_late_makes_no_second_promotion(town: Town) -> None:
    town.registry.digest = None
    merge = "2" * 40
    await push(town, merge)
    [waiting] = await on(town, "integration")
    assert (waiting.state, waiting.number) == (State.REQUESTED, None)
    town.github.merged[merge] = 7
    town.github.trees[merge] = RELEASES["a"].tree
    town.clock.advance(61)
    await told(town)
    [one] = await on(town, "integration")
    assert (one.state, one.release, one.number) == (State.SUCCEEDED, RELEASES["a"], 7)


async def test_a_newer_head_replaces_what_still_waits(town: Town) -> None:
    town.registry.digest = None
    await push(town, "2" * 40)
    town.clock.advance(1)
    await push(town, "3" * 40)
    town.registry.digest = fakes.DIGEST
    town.clock.advance(61)
    await town.work(60)
    newer, older = await on(town, "integration")
    assert (older.state, older.reason) == (State.SUPERSEDED, "a newer release came")
    assert (newer.state, newer.commit) == (State.SUCCEEDED, "3" * 40)


async def test_nobody_reviewed_what_no_pull_request_brought(town: Town) -> None:
    await push(town)
    release = (await on(town, "integration"))[0].release
    assert release is not None
    await town.service.promote(town.requester("bea"), "production", release.id)
    await town.work(20)
    [one] = await on(town, "production")
    assert one.state is State.REJECTED
    assert "no pull request brought 1111111, so nobody reviewed it" in one.reason


async def test_where_nothing_is_automatic_or_the_file_is_broken_nothing_begins(town: Town) -> None:
    for text in (PIPELINE, "version: 1", AUTOMATIC + "  staging: {}"):
        town.github.configuration = text
        await push(town)
    assert await town.store.promotions.find(SHOP.id) == []


async def test_a_held_stage_stays_as_it_is(town: Town) -> None:
    await town.service.hold(town.requester("bea"), "integration", "load test")
    await push(town)
    [one] = await on(town, "integration")
    assert one.state is State.REJECTED
    assert "on hold" in one.reason


@pytest.mark.parametrize("steps", range(1, 8))
async def test_killed_at_any_step_it_goes_once(town: Town, steps: int) -> None:
    town.github.main.append(PUSHED)
    await town.store.deliveries.wake_pipelines([SHOP])
    town.fuse.left = steps
    await town.work(60)
    town.fuse.left = 0
    town.clock.advance(120)
    await town.work(60)
    [one] = await on(town, "integration")
    assert one.state is State.SUCCEEDED
    await town.pods_are_what_the_store_says()


async def test_what_was_merged_elsewhere_is_no_build_of_the_default_branch(town: Town) -> None:
    merge = "2" * 40
    town.github.base, town.github.merged[merge] = "next", 7
    one = await town.service.promote(Requester(SHOP, "bea", "comment/1", 7, "a" * 40), "integration")
    await town.work(60)
    refused = await town.store.promotions.get(one.id)
    assert refused is not None
    assert refused.state is State.REJECTED
    assert "2222222 is on next only" in refused.reason
    town.github.main.append(merge)  # by now it is there as well
    again = await town.service.promote(Requester(SHOP, "bea", "comment/2", 7, "a" * 40), "integration")
    await town.work(60)
    taken = await town.store.promotions.get(again.id)
    assert taken is not None
    assert taken.release is not None
    assert (taken.state, taken.release.origin) == (State.SUCCEEDED, Origin.DEFAULT_BRANCH)
