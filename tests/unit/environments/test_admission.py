"""Previews beyond a cap wait in the queue; their pull requests show the position."""

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
from tests.stores import ManualClock, new_store
from tests.unit.environments.simulation import FakeMetrics, Simulation


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    yield store
    await store.close()


@pytest.fixture
def simulation(store: Store, clock: ManualClock) -> Simulation:
    return Simulation(store, clock, Policy(caps=Caps(installation=2)))


async def test_preview_beyond_the_cap_shows_its_position(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3, 4)
    assert (simulation.reported(1), simulation.reported(2)) == ("ready", "ready")
    assert simulation.reported(3).startswith("waiting: 1st in the queue: 2 of 2 previews run.")
    assert simulation.reported(4).startswith("waiting: 2nd in the queue: 2 of 2 previews run.")
    assert len(simulation.cluster.namespaces) == 2
    assert await simulation.journal(3) == ["opened", "queued"]
    assert await simulation.store.queue.next_due() is None  # no polling


async def test_free_slot_starts_the_first_and_moves_the_others(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3, 4)
    await simulation.close(1)
    assert simulation.reported(3) == "ready"
    assert simulation.reported(4).startswith("waiting: 1st in the queue: 2 of 2 previews run.")
    assert await simulation.journal(3) == ["opened", "queued", "admitted", "ready"]
    assert len(simulation.cluster.namespaces) == 2


async def test_closed_pull_request_leaves_the_queue(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3, 4)
    await simulation.close(3)
    assert simulation.reported(4).startswith("waiting: 1st in the queue")
    await simulation.close(2)
    assert simulation.reported(4) == "ready"


async def test_ttl_begins_at_admission(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3)
    assert (await simulation.record(3)).status.expires_at is None
    simulation.clock.advance(timedelta(days=30).total_seconds())
    await simulation.wake(3)
    assert simulation.reported(3).startswith("waiting: 1st")
    await simulation.close(1)
    expires_at = (await simulation.record(3)).status.expires_at
    assert expires_at is not None
    assert timedelta(days=2.9) < expires_at - simulation.clock() <= timedelta(days=3)


async def test_push_keeps_slot_and_position(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3, 4)
    await simulation.change(1, head_sha="b" * 40)
    assert simulation.reported(1) == "ready"
    await simulation.change(3, head_sha="c" * 40)
    assert simulation.reported(3).startswith("waiting: 1st")
    assert simulation.reported(4).startswith("waiting: 2nd")
    await simulation.close(2)
    assert simulation.reported(3) == "ready"


async def test_reopened_pull_request_queues_at_the_end(simulation: Simulation) -> None:
    await simulation.open(1, 2, 3)
    await simulation.close(1)
    await simulation.change(1, open=True)
    assert simulation.reported(1).startswith("waiting: 1st in the queue")
    await simulation.close(3)
    assert simulation.reported(1) == "ready"


async def test_author_cap_does_not_block_other_authors(store: Store, clock: ManualClock) -> None:
    simulation = Simulation(store, clock, Policy(caps=Caps(author=1, installation=5)))
    await simulation.open(1, 2, author="ada")
    await simulation.open(3, author="bob")
    assert simulation.reported(2).startswith("waiting: 1st in the queue: 1 of 1 previews of ada run.")
    assert simulation.reported(3) == "ready"


async def test_admitted_preview_continues_after_a_kill(simulation: Simulation) -> None:
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


async def test_sweep_wakes_previews_after_a_cap_is_raised(simulation: Simulation) -> None:
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
