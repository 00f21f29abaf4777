"""Random events: a demo converges to its pin, and each move has a requester."""

from __future__ import annotations

from random import Random

import pytest

from bot.model.environment import EnvironmentState
from bot.model.promotion import ACTIVE, ENDED
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments import fakes
from tests.unit.promotions.simulation import PIPELINE, RELEASES, PromotionSimulation
from tests.unit.promotions.stage_fixtures import SHOP
from tests.unit.promotions.test_demo_pins import (
    SALES,
    TAGGED,
    change_file,
    pinned,
    promotions_of_sales,
    sales_record,
    verified_commit,
    wake,
)

COMMITS = {RELEASES["a"].id: RELEASES["a"].commit, RELEASES["b"].id: RELEASES["b"].commit, "v1": TAGGED}
"""Expected commit of each pin."""
UNPINNED = f"{PIPELINE}demo:\n  sales: {{}}\n"
COMMANDS = ("promote", "rollback", "lock", "unlock", "hold", "unhold", "abort", "pause", "resume")


@pytest.mark.parametrize("seed", range(12))
async def test_demo_converges_to_its_pin(seed: int, store: Store, clock: ManualClock) -> None:
    random, simulation = Random(seed), PromotionSimulation(store, clock)
    await simulation.begin()
    simulation.github.main.append(TAGGED)
    for _ in range(random.randint(8, 25)):
        await random_event(simulation, random)
        await check_invariants(simulation)
    await repair(simulation)
    await check_invariants(simulation)
    last = random.choice(sorted(COMMITS))
    # Some words besides: what was pinned last and failed or was aborted is not requested again.
    await change_file(simulation, pinned(last, "    config: {LAST: word}\n"))
    for _ in range(4):
        simulation.clock.advance(3600)
        await wake(simulation)
    assert await verified_commit(simulation) == COMMITS[last]
    environment = await simulation.store.environments.get(SALES)
    assert environment is not None
    assert environment.status.state is EnvironmentState.READY


async def random_event(simulation: PromotionSimulation, random: Random) -> None:
    match random.choice(("file", "file", "command", "command", "kill", "work", "wait", "push", "world")):
        case "file":
            pin = random.choice([*COMMITS, "v9", "c" * 40])
            simulation.github.configuration = random.choice((pinned(pin), pinned(pin), UNPINNED, PIPELINE))
            await simulation.store.deliveries.wake_pipelines([SHOP] * random.randint(0, 1))
        case "command":
            commit = random.choice(("a", "b"))
            await simulation.command(random.choice(COMMANDS), "sales", random.choice(("ada", "bea")), commit)
        case "kill":
            await simulation.kill_after(random.randint(1, 6))
        case "work":
            await simulation.work(random.choice((3, 30)))
        case "wait":
            simulation.clock.advance(random.choice((20, 130, 700, 90_000)))
        case "push":
            simulation.github.main.append(f"{len(simulation.github.main):040x}")
            await simulation.store.deliveries.wake_pipelines([SHOP])
        case "world":
            simulation.registry.digest = random.choice((None, fakes.DIGEST))
            [image] = RELEASES[random.choice(("a", "b"))].images.values()
            simulation.cluster.broken = random.choice((set(), {image.digest}))
            simulation.github.tags["v1"] = TAGGED
            simulation.github.tags.pop(random.choice(("v1", "v9")), None)


async def repair(simulation: PromotionSimulation) -> None:
    """End all faults, holds and open promotions."""
    simulation.registry.digest, simulation.cluster.broken = fakes.DIGEST, set()
    simulation.github.tags["v1"] = TAGGED
    await change_file(simulation, UNPINNED)
    for _ in range(20):
        simulation.clock.advance(24 * 3600)
        await simulation.work(60)
    await simulation.command("unhold", "sales", "ada", "a")
    assert [
        promotion for promotion in await promotions_of_sales(simulation) if promotion.state not in ENDED
    ] == []


async def check_invariants(simulation: PromotionSimulation) -> None:
    await simulation.check_pods_match_store()
    promotions = await promotions_of_sales(simulation)
    assert all(promotion.requested_by for promotion in promotions), "a promotion has no requester"
    assert sum(promotion.state in ACTIVE for promotion in promotions) <= 1
    if promotions:
        pin = (await sales_record(simulation)).pin
        assert pin is None or pin.problem or pin.promotion
