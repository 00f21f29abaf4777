"""Demos: pinned in the file or moved by command, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from bot.model.commit import Commit
from bot.model.environment import EnvironmentKey, EnvironmentKind, EnvironmentState
from bot.model.promotion import Promotion, PromotionState, StageRecord
from bot.model.protection import UNPROTECTED, Protection
from bot.model.release import Origin
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments import fakes
from tests.unit.promotions.simulation import PIPELINE, RELEASES, Town
from tests.unit.promotions.stage_fixtures import SHOP, refused, release

State = PromotionState
SALES = EnvironmentKey.demo(SHOP.id, "sales")
TAGGED = "7" * 40


def pinned(to: str, besides: str = "") -> str:
    return f"{PIPELINE}demo:\n  sales:\n    release: {to}\n{besides}"


UNPINNED = f"{PIPELINE}demo:\n  sales: {{}}\n"


class Ticking(ManualClock):
    """No two looks at it show the same, as with a real one."""

    def __call__(self) -> datetime:
        return self.advance(0.000001)


@pytest.fixture
def clock() -> ManualClock:
    return Ticking()


@pytest.fixture
async def town(store: Store, clock: ManualClock) -> Town:
    town = Town(store, clock)
    await town.begin()
    town.github.main.append(TAGGED)
    town.github.tags["v1"] = TAGGED
    return town


async def change_file(town: Town, text: str, by: str = "ada") -> None:
    """Merged or pushed by somebody."""
    town.clock.advance(1)
    town.github.configuration = text
    commit = f"{len(town.github.main):040x}"
    town.github.main.append(commit)
    town.github.changed = Commit(commit, by, (by,))
    await looked(town)


async def looked(town: Town) -> None:
    await town.store.deliveries.wake_pipelines([SHOP])
    await town.work(60)


async def sales(town: Town) -> StageRecord:
    return next(each for each in await town.store.promotions.stages(SHOP.id) if each.key == SALES)


async def moves(town: Town) -> list[Promotion]:
    """The newest first."""
    return await town.store.promotions.find(stage=SALES, limit=100)


async def runs(town: Town) -> str:
    """The commit, once it is verified."""
    await town.pods_are_what_the_store_says()
    record = await sales(town)
    assert record.target is not None
    return record.target.release.commit


async def test_the_file_is_the_pin_and_the_story_says_who_changed_it(town: Town) -> None:
    await change_file(town, pinned("v1"))
    [first] = await moves(town)
    assert (first.state, first.requested_by, first.number) == (State.SUCCEEDED, "ada", None)
    assert "pins sales to v1, and the tag v1 names 7777777" in first.note
    assert await runs(town) == TAGGED
    assert first.release is not None
    assert first.release.origin is Origin.DEFAULT_BRANCH

    await change_file(town, pinned(RELEASES["a"].id), by="bea")
    assert await runs(town) == RELEASES["a"].commit
    await change_file(town, pinned("v1"), by="cem")
    assert await runs(town) == TAGGED
    asked = [(each.action, each.actor) for each in await town.store.audit.entries(SHOP.id, stage="sales")]
    assert [who for what, who in reversed(asked) if what == "requested"] == ["ada", "bea", "cem"]


async def test_told_ten_times_it_moves_once(town: Town) -> None:
    await change_file(town, pinned("v1"))
    entries = await town.store.audit.entries(SHOP.id, limit=1000)
    for _ in range(10):
        await looked(town)
    assert len(await moves(town)) == 1
    assert await town.store.audit.entries(SHOP.id, limit=1000) == entries


async def test_a_full_commit_is_a_pin_too(town: Town) -> None:
    await change_file(town, pinned(RELEASES["b"].commit))
    assert await runs(town) == RELEASES["b"].commit


async def test_what_the_file_says_besides_moves_it_too_and_other_parts_do_not(town: Town) -> None:
    await change_file(town, pinned("v1"))
    await change_file(town, pinned("v1").replace("integration: {}", "integration: {config: {A: b}}"))
    assert len(await moves(town)) == 1
    await change_file(town, pinned("v1", "    config: {PRICES: high}\n"))
    newest, _ = await moves(town)
    assert newest.state is State.SUCCEEDED
    target = (await sales(town)).target
    assert target is not None
    assert "PRICES" in target.configuration


async def test_a_tag_that_moves_does_not_move_the_demo(town: Town) -> None:
    await change_file(town, pinned("v1"))
    town.github.main.append("8" * 40)
    town.github.tags["v1"] = "8" * 40
    await looked(town)
    assert await runs(town) == TAGGED
    assert len(await moves(town)) == 1


async def test_a_tag_that_is_pushed_after_the_file_is_waited_for(town: Town) -> None:
    await change_file(town, pinned("v2"))
    record = await sales(town)
    assert record.pin is not None
    assert record.pin.problem == "there is no release, tag or commit v2"
    assert await moves(town) == []
    town.github.tags["v2"] = TAGGED
    town.clock.advance(121)
    await town.work(60)
    assert await runs(town) == TAGGED
    told = [entry.action for entry in await town.store.audit.entries(SHOP.id, stage="sales")]
    assert told.count("pinned") == 1


async def test_an_image_that_ci_still_builds_is_waited_for(town: Town) -> None:
    town.registry.digest = None
    await change_file(town, pinned("v1"))
    pin = (await sales(town)).pin
    assert pin is not None
    assert pin.problem == "the image of v1 is not in the registry yet"
    town.registry.digest = fakes.DIGEST
    town.clock.advance(121)
    await town.work(60)
    assert await runs(town) == TAGGED


async def test_a_commit_that_nobody_merged_is_refused_with_a_reason(town: Town) -> None:
    town.github.tags["evil"] = "c" * 40
    await change_file(town, pinned("evil"))
    pin = (await sales(town)).pin
    assert pin is not None
    assert "ccccccc (tag evil) is not in the history of the default branch" in pin.problem
    await change_file(town, pinned("c" * 40))
    pin = (await sales(town)).pin
    assert pin is not None
    assert pin.problem.startswith("ccccccc is not in the history of the default branch")
    assert await moves(town) == []


async def test_what_was_made_from_a_fork_is_shown_in_no_demo(town: Town) -> None:
    theirs = replace(release("f"), from_fork=True)
    await town.store.releases.keep(theirs)
    await change_file(town, pinned(theirs.id))
    pin = (await sales(town)).pin
    assert pin is not None
    assert pin.problem == "the release was built for a fork"
    await change_file(town, UNPINNED)
    await town.service.promote(town.requester("ada"), "sales", theirs.id)
    await town.work(20)
    [one] = await moves(town)
    assert (one.state, one.reason) == (
        State.REJECTED,
        "a demo does not run releases that were built for a fork",
    )


async def test_people_are_told_where_a_pinned_demo_is_moved(town: Town) -> None:
    await change_file(town, pinned("v1"))
    line = pinned("v1").splitlines().index("    release: v1") + 1
    told = f"sales is pinned to v1 in .greenroom.yml, line {line}: change it on the default branch"
    with refused(told):
        await town.service.promote(town.requester("bea"), "sales", "v1")
    with refused(told):
        await town.service.rollback(town.requester("bea"), "sales")
    assert len(await moves(town)) == 1


async def test_without_a_pin_people_move_it_forth_and_back(town: Town) -> None:
    await change_file(town, UNPINNED)
    assert await moves(town) == []
    await town.service.promote(town.requester("bea"), "sales", "v1")
    await town.work(60)
    assert await runs(town) == TAGGED
    await town.service.promote(town.requester("bea"), "sales")  # what the pull request shows
    await town.work(60)
    assert await runs(town) == RELEASES["a"].commit
    await town.service.rollback(town.requester("cem"), "sales")
    await town.work(60)
    assert await runs(town) == TAGGED


async def test_nothing_automatic_comes_to_a_demo(town: Town) -> None:
    text = UNPINNED.replace("integration: {}", "integration: {automatic: true}")
    await change_file(town, text)
    await change_file(town, text)
    assert await moves(town) == []
    assert {each.key.kind for each in await town.store.promotions.stages(SHOP.id)} == {EnvironmentKind.STAGE}


async def test_who_locked_it_is_waited_for(town: Town) -> None:
    await change_file(town, UNPINNED)
    await town.service.lock(town.requester("bea"), "sales", None, "a meeting")
    await change_file(town, pinned("v1"), by="ada")
    pin = (await sales(town)).pin
    assert pin is not None
    assert pin.problem.startswith("stage sales is locked by bea until")
    await town.service.unlock(town.requester("bea"), "sales", may_take=False)
    await town.work(60)
    assert await runs(town) == TAGGED


async def test_what_a_gate_turns_down_is_asked_for_once_an_hour(town: Town) -> None:
    town.github.rules = Protection(branches=("release/*",))
    await change_file(town, pinned("v1"))
    for _ in range(5):
        await looked(town)
    [one] = await moves(town)
    assert one.state is State.REJECTED
    assert "allows releases of" in one.reason
    town.clock.advance(3601)
    await town.work(60)
    assert [each.state for each in await moves(town)] == [State.REJECTED] * 2
    town.github.rules = UNPROTECTED
    town.clock.advance(3601)
    await town.work(60)
    assert await runs(town) == TAGGED


async def test_two_changes_of_the_file_in_a_row_end_with_the_second(town: Town) -> None:
    town.github.configuration = pinned(RELEASES["b"].id)
    await town.store.deliveries.wake_pipelines([SHOP])
    await town.work(2)
    await change_file(town, pinned("v1"))
    for _ in range(3):
        town.clock.advance(121)
        await town.work(60)
    assert await runs(town) == TAGGED
    assert (await moves(town))[0].state is State.SUCCEEDED


async def test_what_fails_goes_back_and_is_tried_again_when_somebody_lifts_the_hold(town: Town) -> None:
    await change_file(town, pinned(RELEASES["a"].id))
    [image] = RELEASES["b"].images.values()
    town.cluster.broken = {image.digest}
    await change_file(town, pinned(RELEASES["b"].id))
    assert (await moves(town))[0].state is State.ROLLED_BACK
    assert await runs(town) == RELEASES["a"].commit
    await looked(town)
    assert len(await moves(town)) == 2
    town.cluster.broken = set()
    await town.service.unhold(town.requester("ada"), "sales")
    await town.work(60)
    assert await runs(town) == RELEASES["b"].commit
    await town.service.hold(town.requester("ada"), "sales", "")
    await town.service.unhold(town.requester("ada"), "sales")
    await town.work(60)
    assert len(await moves(town)) == 3


async def test_a_demo_that_leaves_the_file_stays_as_it_is(town: Town) -> None:
    await change_file(town, pinned("v1"))
    await change_file(town, PIPELINE)
    assert await runs(town) == TAGGED
    with refused(r"There is no stage sales \(stages: integration, .*production\)"):
        await town.service.promote(town.requester("ada"), "sales", "v1")
    await change_file(town, pinned("v1"))
    assert len(await moves(town)) == 1


async def test_what_left_the_file_is_taken_away_by_an_operator_and_comes_back_with_the_file(
    town: Town,
) -> None:
    await change_file(town, pinned("v1"))
    with refused(r"Sales is configured: remove it from \.greenroom\.yml"):
        await town.service.remove(town.requester("op"), "sales")
    await change_file(town, PIPELINE)
    await town.service.remove(town.requester("op"), "sales")
    town.cluster.pods.clear()  # the namespace is gone
    await town.work(60)
    environment = await town.store.environments.get(SALES)
    assert environment is not None
    assert environment.status.state is EnvironmentState.GONE
    [one] = await moves(town)
    assert (one.state, one.removed_by) == (State.SUCCEEDED, "op")
    with refused("Nothing runs on sales"):
        await town.service.remove(town.requester("op"), "sales")
    told = [(each.actor, each.action) for each in await town.store.audit.entries(SHOP.id, stage="sales")]
    assert ("op", "removed") in told

    await change_file(town, pinned("v1"))
    assert await runs(town) == TAGGED
    assert len(await moves(town)) == 2


async def test_a_pin_that_is_taken_out_leaves_the_demo_to_people(town: Town) -> None:
    await change_file(town, pinned("v1"))
    await change_file(town, UNPINNED)
    assert await runs(town) == TAGGED
    await town.service.promote(town.requester("bea"), "sales", RELEASES["a"].id)
    await town.work(60)
    await change_file(town, pinned("v1"))
    assert await runs(town) == TAGGED


@pytest.mark.parametrize("steps", range(1, 9))
async def test_killed_at_any_step_it_moves_once(town: Town, steps: int) -> None:
    town.github.configuration = pinned("v1")
    await town.store.deliveries.wake_pipelines([SHOP])
    town.fuse.left = steps
    await town.work(60)
    town.fuse.left = 0
    town.clock.advance(121)
    await town.work(60)
    assert await runs(town) == TAGGED
    [one] = await moves(town)
    assert one.state is State.SUCCEEDED
