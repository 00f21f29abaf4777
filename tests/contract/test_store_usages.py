"""Usages of environments, and requests to sleep and wake, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.model.delivery import Delivery, PullRequestHint, ReviewRequested
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.sleep import Sleep, SleepCause
from bot.model.usage import RequestedHours, Usage
from bot.store import Store
from tests.contract.shop import FIRST, SHOP
from tests.stores import ManualClock

KEY = EnvironmentKey.preview(SHOP.id, 3)


async def test_usages_are_kept_replaced_and_deleted(store: Store, clock: ManualClock) -> None:
    first = Usage(KEY, clock(), core_hours=1.5, requests={"10.0.0.1": 7}, used_at=clock())
    others = [Usage(EnvironmentKey.preview(SHOP.id, number), clock()) for number in range(10, 1010)]
    await store.usages.save([first, *others])
    assert await store.usages.get(KEY) == first
    assert len(await store.usages.read_all()) == 1001
    later = replace(first, measured_at=clock() + timedelta(minutes=5), core_hours=2.0)
    await store.usages.save([later])
    assert await store.usages.get(KEY) == later
    await store.usages.delete([usage.key for usage in others])
    assert await store.usages.read_all() == [later]


async def test_hours_are_read_of_environments_in_these_states_only(store: Store, clock: ManualClock) -> None:
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 3, FIRST, open=True)])
    deleted = [Usage(EnvironmentKey.preview(SHOP.id, number), clock()) for number in range(10, 40)]
    await store.usages.save([Usage(KEY, clock(), core_hours=1.5, gibibyte_hours=3), *deleted])
    assert await store.usages.hours({EnvironmentState.PENDING}) == [RequestedHours(KEY, SHOP, 1.5, 3)]
    assert await store.usages.hours({EnvironmentState.READY}) == []


async def test_review_request_wakes_only_a_sleeping_preview(store: Store, clock: ManualClock) -> None:
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 3, FIRST, open=True)])
    awake = await store.environments.get(KEY)
    assert awake is not None
    await _request_review(store, clock, "1")
    assert await store.environments.get(KEY) == awake
    assert await store.environments.put_to_sleep(awake, Sleep(FIRST, SleepCause.IDLE))
    assert not await store.environments.put_to_sleep(awake, Sleep(FIRST, SleepCause.IDLE))
    await _request_review(store, clock, "2")
    woken = await store.environments.get(KEY)
    assert woken is not None
    assert (woken.overrides.sleep, woken.generation) == (None, awake.generation + 2)
    [decision] = await store.journal.decisions(KEY)
    assert (decision.reason, decision.by) == ("A review was requested.", "grace")


async def _request_review(store: Store, clock: ManualClock, guid: str) -> None:
    delivery = Delivery(guid, "pull_request", "review_requested", clock(), SHOP)
    await store.deliveries.record(delivery, [ReviewRequested(SHOP, 3, "grace")])
