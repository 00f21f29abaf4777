"""The work queue, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from bot.model.errors import Superseded
from bot.model.work import ScheduledWork, WorkKey
from bot.store import Store
from bot.store.queue import LONGEST_BACKOFF, backoff
from tests.stores import ManualClock

LEASE_SECONDS = 30
A, B, C = (WorkKey("environment", f"preview/1/{number}") for number in (1, 2, 3))


async def test_queue_hands_out_a_key_once(store: Store) -> None:
    await store.queue.enqueue([A, B, A])
    claims = await store.queue.claim("me", 10, 30)
    assert {claim.key for claim in claims} == {A, B}
    assert await store.queue.claim("you", 10, 30) == []
    for claim in claims:
        assert await store.queue.finish(claim)
    assert await store.queue.next_due() is None


async def test_queue_orders_by_due_time(store: Store, clock: ManualClock) -> None:
    for key in (B, A, C):
        await store.queue.enqueue([key])
        clock.advance(1)
    assert [claim.key for claim in await store.queue.claim("me", 2, 30)] == [B, A]


async def test_enqueue_keeps_the_earlier_time(store: Store, clock: ManualClock) -> None:
    soon, late = clock() + timedelta(seconds=5), clock() + timedelta(seconds=50)
    for moment in (late, soon, late):
        await store.queue.enqueue([A], not_before=moment)
    assert await store.queue.next_due() == soon
    assert await store.queue.claim("me", 1, 30) == []
    clock.advance(5)
    assert len(await store.queue.claim("me", 1, 30)) == 1


async def test_enqueue_while_running_runs_once_more(store: Store) -> None:
    await store.queue.enqueue([A])
    [first] = await store.queue.claim("me", 1, 30)
    await store.queue.enqueue([A])
    await store.queue.enqueue([A])
    assert await store.queue.claim("you", 1, 30) == []
    await store.queue.finish(first)
    [second] = await store.queue.claim("you", 1, 30)
    assert second.token > first.token
    await store.queue.finish(second)
    assert await store.queue.next_due() is None


async def test_woken_keys_are_stored_by_a_claim_after_the_burst(store: Store, clock: ManualClock) -> None:
    store.queue.wake(A)
    clock.advance(0.04)
    store.queue.wake(A)
    assert await store.queue.claim("me", 10, 30) == []
    clock.advance(0.01)
    before = store.transactions.total()
    [claim] = await store.queue.claim("me", 10, 30)
    assert claim.key == A
    await store.queue.finish(claim)
    assert await store.queue.claim("me", 10, 30) == []
    assert store.transactions.total() == before + 3


async def test_key_woken_during_its_run_runs_once_more(store: Store, clock: ManualClock) -> None:
    await store.queue.enqueue([A])
    for again_at, pause in ((None, 1), (clock() + timedelta(seconds=20), 0.05)):
        [claim] = await store.queue.claim("me", 1, 30)
        store.queue.wake(A)
        assert await store.queue.claim("you", 1, 30) == []
        await store.queue.finish(claim, again_at)
        assert await store.queue.next_due() == clock() + timedelta(seconds=pause)
        clock.advance(pause)
    [claim] = await store.queue.claim("me", 1, 30)
    await store.queue.finish(claim)
    assert await store.queue.next_due() is None


async def test_last_writes_belong_to_the_end_of_the_claim(store: Store) -> None:
    await store.queue.enqueue([A, B])
    claims = {claim.key: claim for claim in await store.queue.claim("me", 2, 30)}
    written = []
    claims[A].last_writes.append(lambda _: written.append("a"))

    def superseded(_: object) -> None:
        raise Superseded("The desired state has changed.")

    claims[B].last_writes.append(superseded)
    assert await store.queue.finish(claims[A])
    assert not await store.queue.fail(claims[B], "error")
    assert written == ["a"]
    assert await store.queue.next_due() is None


async def test_finish_keeps_the_earlier_time(store: Store, clock: ManualClock) -> None:
    in_a_minute, in_an_hour = clock() + timedelta(minutes=1), clock() + timedelta(hours=1)
    for asked, requested in ((in_a_minute, in_an_hour), (in_an_hour, in_a_minute)):
        await store.queue.enqueue([A])
        [claim] = await store.queue.claim("me", 1, 30)
        await store.queue.enqueue([A], not_before=asked)
        await store.queue.finish(claim, requested)
        assert await store.queue.next_due() == in_a_minute


async def test_finish_can_schedule_the_next_run(store: Store, clock: ManualClock) -> None:
    await store.queue.enqueue([A])
    [claim] = await store.queue.claim("me", 1, 30)
    await store.queue.finish(claim, clock() + timedelta(seconds=20))
    assert await store.queue.claim("me", 1, 30) == []
    clock.advance(20)
    assert len(await store.queue.claim("me", 1, 30)) == 1


async def test_tokens_grow_after_a_key_was_removed(store: Store) -> None:
    tokens = []
    for _ in range(3):
        await store.queue.enqueue([A])
        [claim] = await store.queue.claim("me", 1, 30)
        await store.queue.finish(claim)
        tokens.append(claim.token)
    assert tokens == sorted(set(tokens))


async def test_expired_lease_is_taken_over(store: Store, clock: ManualClock) -> None:
    await store.queue.enqueue([A])
    [late] = await store.queue.claim("me", 1, 30)
    clock.advance(29)
    assert await store.queue.claim("you", 1, 30) == []
    clock.advance(1)
    [taken] = await store.queue.claim("you", 1, 30)
    assert (taken.key, taken.attempts) == (A, 1)
    assert await store.queue.heartbeat([late], 30) == [late]
    assert not await store.queue.finish(late)
    assert not await store.queue.fail(late, "too late")
    assert await store.queue.finish(taken)


async def test_heartbeat_extends_the_lease(store: Store, clock: ManualClock) -> None:
    await store.queue.enqueue([A, B])
    claims = await store.queue.claim("me", 2, 30)
    clock.advance(25)
    assert await store.queue.heartbeat(claims, 30) == []
    clock.advance(25)
    assert await store.queue.claim("you", 2, 30) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_start_voids_leases_of_killed_processes(database_url: str, clock: ManualClock) -> None:
    await _killed_at_work(database_url)
    async with opened(database_url, clock) as store:
        [claim] = await store.queue.claim("me", 1, 30)
        assert (claim.key, claim.attempts) == (A, 1)


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
async def test_lease_of_a_killed_replica_expires(database_url: str, clock: ManualClock) -> None:
    await _killed_at_work(database_url)
    clock.now = datetime.now(UTC)
    async with opened(database_url, clock) as store:
        assert await store.queue.claim("me", 1, 30) == []
        clock.advance(LEASE_SECONDS)
        [claim] = await store.queue.claim("me", 1, 30)
        assert (claim.key, claim.attempts) == (A, 1)


async def test_start_keeps_leases_of_running_processes(database_url: str, clock: ManualClock) -> None:
    async with AsyncExitStack() as first, opened(database_url, clock) as second:
        first_store = await first.enter_async_context(opened(database_url, clock))
        await first_store.queue.enqueue([A])
        [claim] = await second.queue.claim("second", 1, 30)
        await first.aclose()
        async with opened(database_url, clock) as third:
            assert await third.queue.claim("third", 1, 30) == []
        assert await second.queue.finish(claim)


async def test_failed_run_is_retried_with_backoff_without_limit(store: Store, clock: ManualClock) -> None:
    await store.queue.enqueue([A])
    for attempts in range(30):
        [claim] = await store.queue.claim("me", 1, 30)
        assert claim.attempts == attempts
        await store.queue.fail(claim, "no answer\x00 \ud800")
        due = await store.queue.next_due()
        assert due is not None
        assert clock() <= due <= clock() + LONGEST_BACKOFF
        clock.now = due
    [claim] = await store.queue.claim("me", 1, 30)
    await store.queue.finish(claim, clock())
    [claim] = await store.queue.claim("me", 1, 30)
    assert claim.attempts == 0


def test_backoff_has_full_jitter_and_a_cap() -> None:
    first = [backoff(0).total_seconds() for _ in range(200)]
    assert 0 <= min(first) < 0.2 < 0.8 < max(first) <= 1
    assert max(backoff(10_000) for _ in range(200)) <= LONGEST_BACKOFF


async def test_fail_can_set_the_time_of_the_retry(store: Store, clock: ManualClock) -> None:
    at = clock() + timedelta(minutes=40)
    await store.queue.enqueue([A])
    [claim] = await store.queue.claim("me", 1, 30)
    await store.queue.fail(claim, "rate limit", at)
    assert await store.queue.next_due() == at


async def test_depth_counts_keys_and_age(store: Store, clock: ManualClock) -> None:
    await store.queue.enqueue([A, B])
    await store.queue.claim("me", 1, 30)
    await store.queue.enqueue([C], not_before=clock() + timedelta(seconds=60))
    clock.advance(7)
    depth = await store.queue.depth()
    assert (depth.due, depth.later, depth.running, depth.oldest_seconds) == (1, 1, 1, 7.0)


async def test_wait_for_work_ends_when_a_key_is_due(database_url: str) -> None:
    store = await Store.open(database_url)
    await store.migrate()
    try:
        assert await store.queue.claim("me", 1, 30) == []
        waiting = asyncio.create_task(store.queue.wait_for_work(30))
        await asyncio.sleep(0)
        await store.queue.enqueue([A])
        await asyncio.wait_for(waiting, 2)
        # Also when it came between the look and the wait, and when it becomes due later.
        await asyncio.wait_for(store.queue.wait_for_work(30), 2)
        [claim] = await store.queue.claim("me", 1, 30)
        await store.queue.finish(claim, claim.leased_until - timedelta(seconds=28))
        assert await store.queue.claim("me", 1, 30) == []
        await asyncio.wait_for(store.queue.wait_for_work(30), 10)
        assert len(await store.queue.claim("me", 1, 30)) == 1
    finally:
        await store.close()


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
async def test_enqueue_notifies_other_replicas(database_url: str) -> None:
    mine, other = await Store.open(database_url), await Store.open(database_url)
    await mine.migrate()
    try:
        # The first notification shows that the other replica listens.
        await asyncio.wait_for(other.queue.wait_for_work(30), 5)
        await other.queue.claim("other", 1, 30)
        waiting = asyncio.create_task(other.queue.wait_for_work(30))
        await mine.queue.enqueue([A])
        await asyncio.wait_for(waiting, 2)
        assert len(await other.queue.claim("other", 1, 30)) == 1
    finally:
        await mine.close()
        await other.close()


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
async def test_replicas_share_the_queue(database_url: str) -> None:
    stores = [await Store.open(database_url) for _ in range(4)]
    await asyncio.gather(*(store.migrate() for store in stores))
    keys = [WorkKey("environment", f"preview/1/{number}") for number in range(200)]
    await stores[0].queue.enqueue(keys)
    runs: list[WorkKey] = []

    async def work(store: Store, owner: str) -> None:
        while claims := await store.queue.claim(owner, 7, 30):
            runs.extend(claim.key for claim in claims)
            for claim in claims:
                assert await store.queue.finish(claim)

    try:
        await asyncio.gather(*(work(store, str(number)) for number, store in enumerate(stores)))
    finally:
        for store in stores:
            await store.close()
    assert sorted(map(str, runs)) == sorted(map(str, keys))


@asynccontextmanager
async def opened(database_url: str, clock: ManualClock) -> AsyncIterator[Store]:
    store = await Store.open(database_url, clock)
    try:
        await store.migrate()
        yield store
    finally:
        await store.close()


AT_WORK = """
import asyncio, sys
from bot.model.work import WorkKey
from bot.store import Store

async def work():
    store = await Store.open(sys.argv[1])
    await store.migrate()
    await store.queue.enqueue([WorkKey.parse(sys.argv[2])])
    [claim] = await store.queue.claim("killed", 1, float(sys.argv[3]))
    print(claim.key, flush=True)
    await asyncio.sleep(600)

asyncio.run(work())
"""


async def _killed_at_work(database_url: str) -> None:
    """A process of its own leases A, and is killed."""
    program = [sys.executable, "-c", AT_WORK, database_url, str(A), str(LEASE_SECONDS)]
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).decode().strip() == str(A)
    finally:
        process.kill()
        await process.wait()


async def test_look_returns_the_state_of_a_key(store: Store, clock: ManualClock) -> None:
    assert await store.queue.look(A) is None
    await store.queue.enqueue([A], clock() + timedelta(minutes=1))
    looked = await store.queue.look(A)
    assert looked == ScheduledWork(False, clock() + timedelta(minutes=1), 0)
    clock.advance(60)
    [claim] = await store.queue.claim("me", 1, 30)
    assert await store.queue.look(A) == ScheduledWork(True, clock() + timedelta(seconds=30), 0)
    await store.queue.fail(claim, "GitHub is away.", clock() + timedelta(minutes=5))
    assert await store.queue.look(A) == ScheduledWork(
        False, clock() + timedelta(minutes=5), 1, "GitHub is away."
    )
