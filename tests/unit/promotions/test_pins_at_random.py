"""Whatever happens meanwhile, a pinned demo ends with what the file says; people asked for each move."""

from __future__ import annotations

from random import Random

import pytest

from bot.model.environment import EnvironmentState
from bot.model.promotion import ACTIVE, ENDED
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments import fakes
from tests.unit.promotions.simulation import PIPELINE, RELEASES, Town
from tests.unit.promotions.stage_fixtures import SHOP
from tests.unit.promotions.test_demo_pins import (
    SALES,
    TAGGED,
    change_file,
    looked,
    moves,
    pinned,
    runs,
    sales,
)

COMMITS = {RELEASES["a"].id: RELEASES["a"].commit, RELEASES["b"].id: RELEASES["b"].commit, "v1": TAGGED}
"""What a pin leads to."""
UNPINNED = f"{PIPELINE}demo:\n  sales: {{}}\n"
SAID = ("promote", "rollback", "lock", "unlock", "hold", "unhold", "abort", "pause", "resume")


@pytest.mark.parametrize("seed", range(12))
async def test_in_the_end_it_shows_what_the_file_says(seed: int, store: Store, clock: ManualClock) -> None:
    random, town = Random(seed), Town(store, clock)
    await town.begin()
    town.github.main.append(TAGGED)
    for _ in range(random.randint(8, 25)):
        await something(town, random)
        await holds(town)
    await mend(town)
    await holds(town)
    last = random.choice(sorted(COMMITS))
    # Some words besides: what was pinned last and failed or was aborted is not asked for again by itself.
    await change_file(town, pinned(last, "    config: {LAST: word}\n"))
    for _ in range(4):
        town.clock.advance(3600)
        await looked(town)
    assert await runs(town) == COMMITS[last]
    environment = await town.store.environments.get(SALES)
    assert environment is not None
    assert environment.status.state is EnvironmentState.READY


async def something(town: Town, random: Random) -> None:
    match random.choice(("file", "file", "say", "say", "kill", "work", "wait", "push", "world")):
        case "file":
            pin = random.choice([*COMMITS, "v9", "c" * 40])
            town.github.configuration = random.choice((pinned(pin), pinned(pin), UNPINNED, PIPELINE))
            await town.store.deliveries.wake_pipelines([SHOP] * random.randint(0, 1))
        case "say":
            commit = random.choice(("a", "b"))
            await town.people(random.choice(SAID), "sales", random.choice(("ada", "bea")), commit)
        case "kill":
            await town.kill_after(random.randint(1, 6))
        case "work":
            await town.work(random.choice((3, 30)))
        case "wait":
            town.clock.advance(random.choice((20, 130, 700, 90_000)))
        case "push":
            town.github.main.append(f"{len(town.github.main):040x}")
            await town.store.deliveries.wake_pipelines([SHOP])
        case "world":
            town.registry.digest = random.choice((None, fakes.DIGEST))
            [image] = RELEASES[random.choice(("a", "b"))].images.values()
            town.cluster.broken = random.choice((set(), {image.digest}))
            town.github.tags["v1"] = TAGGED
            town.github.tags.pop(random.choice(("v1", "v9")), None)


async def mend(town: Town) -> None:
    """Nothing is broken, nobody keeps the demo, and what was under way comes to its end."""
    town.registry.digest, town.cluster.broken = fakes.DIGEST, set()
    town.github.tags["v1"] = TAGGED
    await change_file(town, UNPINNED)
    for _ in range(20):
        town.clock.advance(24 * 3600)
        await town.work(60)
    await town.people("unhold", "sales", "ada", "a")
    assert [each for each in await moves(town) if each.state not in ENDED] == []


async def holds(town: Town) -> None:
    await town.pods_are_what_the_store_says()
    found = await moves(town)
    assert all(each.requested_by for each in found), "something moved it by itself"
    assert sum(each.state in ACTIVE for each in found) <= 1
    if found:
        pin = (await sales(town)).pin
        assert pin is None or pin.problem or pin.promotion
