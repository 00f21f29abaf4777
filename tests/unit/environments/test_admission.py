"""When there is not room for all: the queue, as the people of the pull requests see it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.environments.policy import Policy
from bot.environments.reasons import Queued
from bot.github.messages.environment_reasons import describe
from bot.model.environment import EnvironmentState
from bot.model.quota import Admission, Caps, QueuePosition, Scope
from bot.store import Store
from bot.sweeps.queue_wakeup import wake_queued_previews
from tests.stores import ManualClock
from tests.unit.environments.simulation import FakeMetrics, Simulation


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    yield store
    await store.close()


@pytest.fixture
def simulation(store: Store, clock: ManualClock) -> Simulation:
    return Simulation(store, clock, Policy(caps=Caps(installation=2)))


async def test_the_third_waits_and_is_told_its_place(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3, 4)
    assert (simulation.reported(1), simulation.reported(2)) == ("ready", "ready")
    assert simulation.reported(3).startswith("waiting: 1st in the queue: 2 of 2 previews run.")
    assert simulation.reported(4).startswith("waiting: 2nd in the queue: 2 of 2 previews run.")
    assert len(simulation.cluster.namespaces) == 2
    assert await simulation.journal(3) == ["opened", "queued"]
    assert await simulation.store.queue.next_due() is None  # nobody looks again and again


async def test_it_starts_as_soon_as_another_leaves_and_the_rest_move_up(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3, 4)
    await simulation.close(1)
    assert simulation.reported(3) == "ready"
    assert simulation.reported(4).startswith("waiting: 1st in the queue: 2 of 2 previews run.")
    assert await simulation.journal(3) == ["opened", "queued", "admitted", "ready"]
    assert len(simulation.cluster.namespaces) == 2


async def test_one_that_is_closed_in_the_queue_lets_the_next_one_up(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3, 4)
    await simulation.close(3)
    assert simulation.reported(4).startswith("waiting: 1st in the queue")
    await simulation.close(2)
    assert simulation.reported(4) == "ready"


async def test_its_time_begins_when_it_gets_its_place(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3)
    assert (await simulation.record(3)).status.expires_at is None
    simulation.clock.advance(timedelta(days=30).total_seconds())
    await simulation.wake(3)
    assert simulation.reported(3).startswith("waiting: 1st")
    await simulation.close(1)
    expires_at = (await simulation.record(3)).status.expires_at
    assert expires_at is not None
    assert timedelta(days=2.9) < expires_at - simulation.clock() <= timedelta(days=3)


async def test_a_push_keeps_the_place_of_one_that_runs_and_of_one_that_waits(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3, 4)
    await simulation.change(1, head_sha="b" * 40)
    assert simulation.reported(1) == "ready"
    await simulation.change(3, head_sha="c" * 40)
    assert simulation.reported(3).startswith("waiting: 1st")
    assert simulation.reported(4).startswith("waiting: 2nd")
    await simulation.close(2)
    assert simulation.reported(3) == "ready"


async def test_one_that_comes_back_stands_at_the_end(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3)
    await simulation.close(1)
    await simulation.change(1, open=True)
    assert simulation.reported(1).startswith("waiting: 1st in the queue")
    await simulation.close(3)
    assert simulation.reported(1) == "ready"


async def test_an_author_with_many_does_not_hold_up_the_others(store: Store, clock: ManualClock) -> None:
    simulation = Simulation(store, clock, Policy(caps=Caps(author=1, installation=5)))
    await simulation.open(1, 2, author="ada")
    await simulation.open(3, author="bob")
    assert simulation.reported(2).startswith("waiting: 1st in the queue: 1 of 1 previews of ada run.")
    assert simulation.reported(3) == "ready"


async def test_killed_with_a_place_in_hand_it_goes_on_from_there(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3)
    await simulation.close(1)
    record = await simulation.record(3)
    assert record.admission is Admission.ADMITTED
    simulation.cluster.namespaces.clear()
    await simulation.wake(3)
    assert simulation.reported(3) == "ready"
    assert (await simulation.record(3)).status.state is EnvironmentState.READY
    await simulation.open(4)
    assert simulation.reported(4).startswith("waiting: 1st")


async def test_a_raised_cap_is_noticed_by_a_sweep(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3, 4, 5)

    async def sweep(cap: int) -> list[str]:
        await wake_queued_previews(
            simulation.store.environments, simulation.store.queue, Caps(installation=cap), FakeMetrics()
        )
        claims = await simulation.store.queue.claim("test", 9, 60)
        for claim in claims:
            await simulation.store.queue.finish(claim)
        return sorted(claim.key.subject for claim in claims)

    assert await sweep(2) == []
    assert await sweep(4) == ["preview/7/3", "preview/7/4"]


def test_queue_position_is_shown_up_to_ten() -> None:
    eleventh = Queued(QueuePosition(11, Scope.INSTALLATION, 20, 20), "acme/shop", "ada")
    assert "In the queue behind 10 others" in describe(eleventh)
    third = Queued(QueuePosition(3, Scope.REPOSITORY, 5, 5), "acme/shop", "ada")
    assert describe(third).startswith("3rd in the queue: 5 of 5 previews of acme/shop run.")
