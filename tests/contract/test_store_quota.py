"""Slots on the cluster, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.model.delivery import PullRequestHint
from bot.model.environment import Attempt, Decision, Environment, EnvironmentKey, EnvironmentState
from bot.model.errors import Superseded
from bot.model.quota import SHOWN_POSITIONS, Admission, Caps, QueuePosition, Scope
from bot.model.release import Release
from bot.model.work import Claim
from bot.store import Store
from tests.contract.shop import FIRST, SECOND, SHOP, pull_request
from tests.stores import ManualClock

TWO = Caps(installation=2)
PREPARED = Release(FIRST, {}, "sha256:" + "2" * 64)


async def prepared(store: Store, clock: ManualClock, *numbers: int) -> dict[int, tuple[Claim, Environment]]:
    """Claimed, and ready to start."""
    await store.deliveries.apply_hints([PullRequestHint(SHOP, number, FIRST, True) for number in numbers])
    result = {}
    for claim in await store.queue.claim("me", 100, 3600):
        environment = await store.environments.get(EnvironmentKey.parse(claim.key.subject))
        assert environment is not None
        pull = replace(pull_request(FIRST, clock()), number=int(environment.key.name))
        record = replace(environment, attempt=Attempt(pull_request=pull, release=PREPARED))
        await store.environments.save(claim, record)
        result[pull.number] = (claim, record)
    return result


async def read(store: Store, number: int) -> Environment:
    environment = await store.environments.get(EnvironmentKey.preview(SHOP.id, number))
    assert environment is not None
    return environment


async def leave(store: Store, claim: Claim, number: int) -> None:
    environment = await read(store, number)
    gone = replace(environment.status, state=EnvironmentState.GONE)
    left = replace(environment, status=gone, admission=Admission.NONE)
    await store.environments.save(claim, left, caps=TWO)
    await store.queue.finish(claim)


async def test_queued_preview_starts_the_sweep_that_makes_room(store: Store, clock: ManualClock) -> None:
    comers = await prepared(store, clock, 1, 2)
    caps = Caps(installation=1, makes_room=True)
    for claim, environment in comers.values():
        await store.environments.admit(claim, environment, caps)
    [claim] = await store.queue.claim("me", 100, 60)
    assert str(claim.key) == "sweep:usage"


async def test_concurrent_requests_get_only_free_slots(store: Store, clock: ManualClock) -> None:
    comers = await prepared(store, clock, *range(1, 21))
    turns = await asyncio.gather(
        *(store.environments.admit(claim, environment, TWO) for claim, environment in comers.values())
    )
    assert turns.count(None) == 2
    again = [
        await store.environments.admit(claim, environment, TWO) for claim, environment in comers.values()
    ]
    assert sorted(turn.position for turn in again if turn is not None) == list(range(1, 19))
    admissions = [(await read(store, number)).admission for number in comers]
    assert admissions.count(Admission.ADMITTED) == 2
    assert admissions.count(Admission.QUEUED) == 18


async def test_repeated_slot_request_changes_nothing(store: Store, clock: ManualClock) -> None:
    comers = await prepared(store, clock, 1, 2, 3)
    for _ in range(3):
        turns = [await store.environments.admit(*comers[number], TWO) for number in (1, 2, 3)]
        clock.advance(60)
        assert [turn and turn.position for turn in turns] == [None, None, 1]


async def test_slot_is_assigned_with_the_record_and_its_decisions(store: Store, clock: ManualClock) -> None:
    """A killed run cannot leave a namespace on a cluster that the store does not name."""
    [(claim, environment)] = (await prepared(store, clock, 1)).values()
    placed = replace(environment, cluster="other")
    decision = Decision(environment.key, clock(), "placed", "on cluster other")
    await store.environments.admit(claim, placed, TWO, decisions=[decision])
    stored = await read(store, 1)
    assert (stored.cluster, stored.admission) == ("other", Admission.ADMITTED)
    assert decision in await store.journal.decisions(environment.key)


async def test_released_slot_goes_to_the_first_in_the_queue(store: Store, clock: ManualClock) -> None:
    comers = await prepared(store, clock, 1, 2, 3, 4)
    for number in (1, 2, 3, 4):
        await store.environments.admit(*comers[number], TWO)
        clock.advance(1)
    for number in (3, 4):
        await store.queue.finish(comers[number][0])
    assert await store.queue.claim("me", 9, 60) == []
    await leave(store, comers[1][0], 1)
    woken = {claim.key.subject: claim for claim in await store.queue.claim("me", 9, 60)}
    assert set(woken) == {f"preview/{SHOP.id}/3", f"preview/{SHOP.id}/4"}
    last = woken[f"preview/{SHOP.id}/4"]
    # Even when the last one's worker is the fastest.
    turn = await store.environments.admit(last, await read(store, 4), TWO)
    assert turn == QueuePosition(1, Scope.INSTALLATION, 2, 2)
    first = woken[f"preview/{SHOP.id}/3"]
    assert await store.environments.admit(first, await read(store, 3), TWO) is None


async def test_leaving_the_queue_wakes_the_others(store: Store, clock: ManualClock) -> None:
    comers = await prepared(store, clock, 1, 2, 3, 4)
    for number in (1, 2, 3, 4):
        await store.environments.admit(*comers[number], TWO)
        clock.advance(1)
    await store.queue.finish(comers[4][0])
    await leave(store, comers[3][0], 3)
    [claim] = await store.queue.claim("me", 9, 60)
    turn = await store.environments.admit(claim, await read(store, 4), TWO)
    assert turn == QueuePosition(1, Scope.INSTALLATION, 2, 2)


async def test_push_keeps_the_queue_position(store: Store, clock: ManualClock) -> None:
    comers = await prepared(store, clock, 1, 2, 3, 4)
    for number in (1, 2, 3, 4):
        await store.environments.admit(*comers[number], TWO)
        clock.advance(1)
    claim, _ = comers[3]
    unprepared = replace(await read(store, 3), attempt=Attempt(), admission=Admission.NONE)
    await store.environments.save(claim, unprepared)
    turn = await store.environments.admit(comers[4][0], await read(store, 4), TWO)
    assert turn == QueuePosition(1, Scope.INSTALLATION, 2, 2)
    clock.advance(60)
    turn = await store.environments.admit(claim, await read(store, 3), TWO)
    assert turn == QueuePosition(1, Scope.INSTALLATION, 2, 2)
    turn = await store.environments.admit(comers[4][0], await read(store, 4), TWO)
    assert turn == QueuePosition(2, Scope.INSTALLATION, 2, 2)


async def test_superseded_worker_gets_no_slot(store: Store, clock: ManualClock) -> None:
    comers = await prepared(store, clock, 1)
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 1, SECOND, True)])
    with pytest.raises(Superseded):
        await store.environments.admit(*comers[1], TWO)
    assert (await read(store, 1)).admission is Admission.NONE


async def test_slot_survives_its_worker(store: Store, clock: ManualClock) -> None:
    """After a kill the next worker of the same environment has the slot, and no other environment."""
    comers = await prepared(store, clock, 1, 2, 3)
    for number in (1, 2, 3):
        await store.environments.admit(*comers[number], TWO)
    clock.advance(3601)
    for claim in await store.queue.claim("you", 9, 60):
        number = int(EnvironmentKey.parse(claim.key.subject).name)
        turn = await store.environments.admit(claim, await read(store, number), TWO)
        assert (turn is None) is (number != 3)


async def test_departure_wakes_only_affected_previews(store: Store, clock: ManualClock) -> None:
    comers = await prepared(store, clock, 1, 2)
    for number in (1, 2):
        assert await store.environments.admit(*comers[number], TWO) is None
    for start in range(3, 203, 100):
        some = await prepared(store, clock, *range(start, start + 100))
        for _, (claim, environment) in sorted(some.items()):
            await store.environments.admit(claim, environment, TWO)
            await store.queue.finish(claim)
            clock.advance(1)
    assert await store.queue.claim("me", 999, 60) == []
    gone = replace(await read(store, 1), admission=Admission.NONE)
    await store.environments.save(comers[1][0], gone, caps=TWO)
    await store.queue.finish(comers[1][0])
    runs = 0
    while claims := await store.queue.claim("me", 999, 60):
        for claim in claims:
            runs += 1
            number = int(EnvironmentKey.parse(claim.key.subject).name)
            position = await store.environments.admit(claim, await read(store, number), TWO)
            assert (position is None) is (number == 3)
            await store.queue.finish(claim)
    assert runs <= 2 * (SHOWN_POSITIONS + 1)
