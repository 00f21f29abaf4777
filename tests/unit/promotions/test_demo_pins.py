"""Demos move only by a pin in the file or by command."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from bot.model.commit import Authors, Commit
from bot.model.environment import EnvironmentKey, EnvironmentKind, EnvironmentState
from bot.model.promotion import Promotion, PromotionState, StageRecord
from bot.model.protection import UNPROTECTED, Protection
from bot.model.release import Origin
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments import fakes
from tests.unit.promotions.simulation import PIPELINE, RELEASES, PromotionSimulation
from tests.unit.promotions.stage_fixtures import SHOP, refused, release

State = PromotionState
SALES = EnvironmentKey.demo(SHOP.id, "sales")
TAGGED = "7" * 40


def pinned(to: str, besides: str = "") -> str:
    return f"{PIPELINE}demo:\n  sales:\n    release: {to}\n{besides}"


UNPINNED = f"{PIPELINE}demo:\n  sales: {{}}\n"


class TickingClock(ManualClock):
    """Advances with every call, as a real clock does."""

    def __call__(self) -> datetime:
        return self.advance(0.000001)


@pytest.fixture
def clock() -> ManualClock:
    return TickingClock()


@pytest.fixture
async def simulation(store: Store, clock: ManualClock) -> PromotionSimulation:
    simulation = PromotionSimulation(store, clock)
    await simulation.begin()
    simulation.github.main.append(TAGGED)
    simulation.github.tags["v1"] = TAGGED
    return simulation


async def change_file(simulation: PromotionSimulation, text: str, by: str = "ada") -> None:
    """Change the configuration on the default branch."""
    simulation.clock.advance(1)
    simulation.github.configuration = text
    commit = f"{len(simulation.github.main):040x}"
    simulation.github.main.append(commit)
    simulation.github.changed = Commit(commit, by, Authors((by,)))
    await wake(simulation)


async def wake(simulation: PromotionSimulation) -> None:
    await simulation.store.deliveries.wake_pipelines([SHOP])
    await simulation.work(60)


async def sales_record(simulation: PromotionSimulation) -> StageRecord:
    return next(record for record in await simulation.store.promotions.stages(SHOP.id) if record.key == SALES)


async def promotions_of_sales(simulation: PromotionSimulation) -> list[Promotion]:
    """The newest first."""
    return await simulation.store.promotions.find(stage=SALES, limit=100)


async def verified_commit(simulation: PromotionSimulation) -> str:
    """The commit of the verified target."""
    await simulation.check_pods_match_store()
    record = await sales_record(simulation)
    assert record.target is not None
    return record.target.release.commit


async def test_pin_moves_the_demo_and_names_its_author(simulation: PromotionSimulation) -> None:
    await change_file(simulation, pinned("v1"))
    [first] = await promotions_of_sales(simulation)
    assert (first.state, first.requested_by, first.number) == (State.SUCCEEDED, "ada", None)
    assert "pins sales to v1, and the tag v1 names 7777777" in first.note
    assert await verified_commit(simulation) == TAGGED
    assert first.release is not None
    assert first.release.origin is Origin.DEFAULT_BRANCH

    await change_file(simulation, pinned(RELEASES["a"].id), by="bea")
    assert await verified_commit(simulation) == RELEASES["a"].commit
    await change_file(simulation, pinned("v1"), by="cem")
    assert await verified_commit(simulation) == TAGGED
    actions = [
        (entry.action, entry.actor) for entry in await simulation.store.audit.entries(SHOP.id, stage="sales")
    ]
    assert [actor for action, actor in reversed(actions) if action == "requested"] == ["ada", "bea", "cem"]


async def test_repeated_wakeups_move_the_demo_once(simulation: PromotionSimulation) -> None:
    await change_file(simulation, pinned("v1"))
    entries = await simulation.store.audit.entries(SHOP.id, limit=1000)
    for _ in range(10):
        await wake(simulation)
    assert len(await promotions_of_sales(simulation)) == 1
    assert await simulation.store.audit.entries(SHOP.id, limit=1000) == entries


async def test_pin_accepts_a_full_commit(simulation: PromotionSimulation) -> None:
    await change_file(simulation, pinned(RELEASES["b"].commit))
    assert await verified_commit(simulation) == RELEASES["b"].commit


async def test_demo_is_redeployed_only_for_its_own_configuration(simulation: PromotionSimulation) -> None:
    await change_file(simulation, pinned("v1"))
    await change_file(simulation, pinned("v1").replace("integration: {}", "integration: {config: {A: b}}"))
    assert len(await promotions_of_sales(simulation)) == 1
    await change_file(simulation, pinned("v1", "    config: {PRICES: high}\n"))
    newest, _ = await promotions_of_sales(simulation)
    assert newest.state is State.SUCCEEDED
    target = (await sales_record(simulation)).target
    assert target is not None
    assert "PRICES" in target.configuration


async def test_moved_tag_does_not_move_the_demo(simulation: PromotionSimulation) -> None:
    await change_file(simulation, pinned("v1"))
    simulation.github.main.append("8" * 40)
    simulation.github.tags["v1"] = "8" * 40
    await wake(simulation)
    assert await verified_commit(simulation) == TAGGED
    assert len(await promotions_of_sales(simulation)) == 1


async def test_pin_waits_for_a_missing_tag(simulation: PromotionSimulation) -> None:
    await change_file(simulation, pinned("v2"))
    record = await sales_record(simulation)
    assert record.pin is not None
    assert record.pin.problem == "there is no release, tag or commit v2"
    assert await promotions_of_sales(simulation) == []
    simulation.github.tags["v2"] = TAGGED
    simulation.clock.advance(121)
    await simulation.work(60)
    assert await verified_commit(simulation) == TAGGED
    actions = [entry.action for entry in await simulation.store.audit.entries(SHOP.id, stage="sales")]
    assert actions.count("pinned") == 1


async def test_pin_waits_for_a_missing_image(simulation: PromotionSimulation) -> None:
    simulation.registry.digest = None
    await change_file(simulation, pinned("v1"))
    pin = (await sales_record(simulation)).pin
    assert pin is not None
    assert pin.problem == "the image of v1 is not in the registry yet"
    simulation.registry.digest = fakes.DIGEST
    simulation.clock.advance(121)
    await simulation.work(60)
    assert await verified_commit(simulation) == TAGGED


async def test_pin_rejects_an_unmerged_commit(simulation: PromotionSimulation) -> None:
    simulation.github.tags["evil"] = "c" * 40
    await change_file(simulation, pinned("evil"))
    pin = (await sales_record(simulation)).pin
    assert pin is not None
    assert "ccccccc (tag evil) is not in the history of the default branch" in pin.problem
    await change_file(simulation, pinned("c" * 40))
    pin = (await sales_record(simulation)).pin
    assert pin is not None
    assert pin.problem.startswith("ccccccc is not in the history of the default branch")
    assert await promotions_of_sales(simulation) == []


async def test_demo_rejects_releases_of_forks(simulation: PromotionSimulation) -> None:
    theirs = replace(release("f"), from_fork=True)
    await simulation.store.releases.keep(theirs)
    await change_file(simulation, pinned(theirs.id))
    pin = (await sales_record(simulation)).pin
    assert pin is not None
    assert pin.problem.startswith("the release was built for a fork; merge it")
    await change_file(simulation, UNPINNED)
    await simulation.service.promote(simulation.requester("ada"), "sales", theirs.id)
    await simulation.work(20)
    [promotion] = await promotions_of_sales(simulation)
    assert (promotion.state, promotion.reason) == (
        State.REJECTED,
        "a demo does not run releases that were built for a fork; merge the pull request and promote "
        "the build of the default branch",
    )


async def test_commands_on_a_pinned_demo_name_the_line_of_the_pin(simulation: PromotionSimulation) -> None:
    await change_file(simulation, pinned("v1"))
    line = pinned("v1").splitlines().index("    release: v1") + 1
    sentence = f"sales is pinned to v1 in .greenroom.yml, line {line}: change it on the default branch"
    with refused(sentence):
        await simulation.service.promote(simulation.requester("bea"), "sales", "v1")
    with refused(sentence):
        await simulation.service.rollback(simulation.requester("bea"), "sales")
    assert len(await promotions_of_sales(simulation)) == 1


async def test_unpinned_demo_moves_by_command(simulation: PromotionSimulation) -> None:
    await change_file(simulation, UNPINNED)
    assert await promotions_of_sales(simulation) == []
    await simulation.service.promote(simulation.requester("bea"), "sales", "v1")
    await simulation.work(60)
    assert await verified_commit(simulation) == TAGGED
    await simulation.service.promote(simulation.requester("bea"), "sales")  # what the pull request shows
    await simulation.work(60)
    assert await verified_commit(simulation) == RELEASES["a"].commit
    await simulation.service.rollback(simulation.requester("cem"), "sales")
    await simulation.work(60)
    assert await verified_commit(simulation) == TAGGED


async def test_automatic_promotions_exclude_demos(simulation: PromotionSimulation) -> None:
    text = UNPINNED.replace("integration: {}", "integration: {automatic: true}")
    await change_file(simulation, text)
    await change_file(simulation, text)
    assert await promotions_of_sales(simulation) == []
    assert {record.key.kind for record in await simulation.store.promotions.stages(SHOP.id)} == {
        EnvironmentKind.STAGE
    }


async def test_pin_waits_for_the_lock(simulation: PromotionSimulation) -> None:
    await change_file(simulation, UNPINNED)
    await simulation.service.lock(simulation.requester("bea"), "sales", None, "a meeting")
    await change_file(simulation, pinned("v1"), by="ada")
    pin = (await sales_record(simulation)).pin
    assert pin is not None
    assert pin.problem.startswith("stage sales is locked by bea until")
    await simulation.service.unlock(simulation.requester("bea"), "sales", may_take=False)
    await simulation.work(60)
    assert await verified_commit(simulation) == TAGGED


async def test_rejected_pin_is_retried_every_hour(simulation: PromotionSimulation) -> None:
    simulation.github.rules = Protection(branches=("release/*",))
    await change_file(simulation, pinned("v1"))
    for _ in range(5):
        await wake(simulation)
    [promotion] = await promotions_of_sales(simulation)
    assert promotion.state is State.REJECTED
    assert "allows releases of" in promotion.reason
    simulation.clock.advance(3601)
    await simulation.work(60)
    assert [promotion.state for promotion in await promotions_of_sales(simulation)] == [State.REJECTED] * 2
    simulation.github.rules = UNPROTECTED
    simulation.clock.advance(3601)
    await simulation.work(60)
    assert await verified_commit(simulation) == TAGGED


async def test_last_of_two_pins_wins(simulation: PromotionSimulation) -> None:
    simulation.github.configuration = pinned(RELEASES["b"].id)
    await simulation.store.deliveries.wake_pipelines([SHOP])
    await simulation.work(2)
    await change_file(simulation, pinned("v1"))
    for _ in range(3):
        simulation.clock.advance(121)
        await simulation.work(60)
    assert await verified_commit(simulation) == TAGGED
    assert (await promotions_of_sales(simulation))[0].state is State.SUCCEEDED


async def test_failed_pin_rolls_back_and_retries_after_unhold(simulation: PromotionSimulation) -> None:
    await change_file(simulation, pinned(RELEASES["a"].id))
    [image] = RELEASES["b"].images.values()
    simulation.cluster.broken = {image.digest}
    await change_file(simulation, pinned(RELEASES["b"].id))
    assert (await promotions_of_sales(simulation))[0].state is State.ROLLED_BACK
    assert await verified_commit(simulation) == RELEASES["a"].commit
    await wake(simulation)
    assert len(await promotions_of_sales(simulation)) == 2
    simulation.cluster.broken = set()
    await simulation.service.unhold(simulation.requester("ada"), "sales")
    await simulation.work(60)
    assert await verified_commit(simulation) == RELEASES["b"].commit
    await simulation.service.hold(simulation.requester("ada"), "sales", "")
    await simulation.service.unhold(simulation.requester("ada"), "sales")
    await simulation.work(60)
    assert len(await promotions_of_sales(simulation)) == 3


async def test_demo_removed_from_the_file_keeps_running(simulation: PromotionSimulation) -> None:
    await change_file(simulation, pinned("v1"))
    await change_file(simulation, PIPELINE)
    assert await verified_commit(simulation) == TAGGED
    with refused(r"There is no stage sales \(stages: integration, .*production\)"):
        await simulation.service.promote(simulation.requester("ada"), "sales", "v1")
    await change_file(simulation, pinned("v1"))
    assert len(await promotions_of_sales(simulation)) == 1


async def test_removed_demo_returns_with_its_pin(
    simulation: PromotionSimulation,
) -> None:
    await change_file(simulation, pinned("v1"))
    with refused(r"Sales is configured: remove it from \.greenroom\.yml"):
        await simulation.service.remove(simulation.requester("op"), "sales")
    await change_file(simulation, PIPELINE)
    await simulation.service.remove(simulation.requester("op"), "sales")
    simulation.cluster.pods.clear()  # the namespace was deleted
    await simulation.work(60)
    environment = await simulation.store.environments.get(SALES)
    assert environment is not None
    assert environment.status.state is EnvironmentState.GONE
    [promotion] = await promotions_of_sales(simulation)
    assert (promotion.state, promotion.removed_by) == (State.SUCCEEDED, "op")
    with refused("Nothing runs on sales"):
        await simulation.service.remove(simulation.requester("op"), "sales")
    actions = [
        (entry.actor, entry.action) for entry in await simulation.store.audit.entries(SHOP.id, stage="sales")
    ]
    assert ("op", "removed") in actions

    await change_file(simulation, pinned("v1"))
    assert await verified_commit(simulation) == TAGGED
    assert len(await promotions_of_sales(simulation)) == 2


async def test_removed_pin_allows_commands_again(simulation: PromotionSimulation) -> None:
    await change_file(simulation, pinned("v1"))
    await change_file(simulation, UNPINNED)
    assert await verified_commit(simulation) == TAGGED
    await simulation.service.promote(simulation.requester("bea"), "sales", RELEASES["a"].id)
    await simulation.work(60)
    await change_file(simulation, pinned("v1"))
    assert await verified_commit(simulation) == TAGGED


@pytest.mark.parametrize("steps", range(1, 9))
async def test_crash_at_any_step_moves_the_demo_once(simulation: PromotionSimulation, steps: int) -> None:
    simulation.github.configuration = pinned("v1")
    await simulation.store.deliveries.wake_pipelines([SHOP])
    simulation.fuse.left = steps
    await simulation.work(60)
    simulation.fuse.left = 0
    simulation.clock.advance(121)
    await simulation.work(60)
    assert await verified_commit(simulation) == TAGGED
    [promotion] = await promotions_of_sales(simulation)
    assert promotion.state is State.SUCCEEDED
