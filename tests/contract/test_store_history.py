"""History is deleted when it is old, and only then, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.model.delivery import PullRequestHint
from bot.model.environment import (
    Attempt,
    Decision,
    EndReason,
    EnvironmentKey,
    EnvironmentState,
    Status,
    UserOverrides,
)
from bot.model.work import WorkKey
from bot.store import Store
from tests.contract.shop import FIRST, SHOP, pull_request
from tests.stores import ManualClock

DAY = timedelta(days=1)


def key(number: int) -> EnvironmentKey:
    return EnvironmentKey.preview(SHOP.id, number)


async def end(
    store: Store,
    clock: ManualClock,
    number: int,
    *,
    is_open: bool = False,
    state: EnvironmentState = EnvironmentState.GONE,
    reason: EndReason = EndReason.CLOSED,
    visible: bool = True,
) -> None:
    """Stores a preview as a worker leaves it at its end, with a decision."""
    await store.deliveries.apply_hints([PullRequestHint(SHOP, number, FIRST, True)])
    [claim] = await store.queue.claim("me", 1, 60)
    environment = await store.environments.get(key(number))
    assert environment is not None
    pull = replace(pull_request(FIRST, clock()), number=number, open=is_open)
    ended = replace(
        environment,
        observed_generation=environment.generation if visible else 0,
        status=Status(state, end=reason),
        attempt=Attempt(pull_request=pull if visible else None),
    )
    decision = Decision(key(number), clock(), "gone", "It ended.")
    await store.environments.save(claim, ended, decisions=[decision])
    await store.queue.finish(claim)


async def test_deleted_environments_are_purged_after_the_retention(store: Store, clock: ManualClock) -> None:
    for number in range(1, 301):
        await end(store, clock, number)
    clock.advance((10 * DAY).total_seconds())
    await end(store, clock, 999)
    assert await store.history.purge_environments(clock() - 11 * DAY) == 0
    assert await store.history.purge_environments(clock() - 5 * DAY) == 300
    assert [environment.key for environment in await store.environments.find()] == [key(999)]


async def test_purge_keeps_history_in_use(store: Store, clock: ManualClock) -> None:
    await end(store, clock, 1, is_open=True, reason=EndReason.EXPIRED)
    await end(store, clock, 2, is_open=True, reason=EndReason.DESTROYED)
    await end(store, clock, 3, is_open=True, state=EnvironmentState.REFUSED, reason=EndReason.FORK)
    await end(store, clock, 4, state=EnvironmentState.DELETING)
    await end(store, clock, 5)
    await store.queue.enqueue([WorkKey.environment(key(5))], clock() + 200 * DAY)
    await end(store, clock, 6, is_open=True)
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 6, FIRST, False)])
    clock.advance((100 * DAY).total_seconds())
    assert await store.history.purge_environments(clock()) == 0
    assert len(await store.environments.find()) == 6


async def test_purge_deletes_previews_of_lost_repositories(store: Store, clock: ManualClock) -> None:
    await end(store, clock, 1, is_open=True, reason=EndReason.REMOVED)
    await end(store, clock, 2, is_open=True, reason=EndReason.REMOVED, visible=False)
    clock.advance((100 * DAY).total_seconds())
    assert await store.history.purge_environments(clock()) == 2


async def test_reopened_after_purge_gets_a_new_environment(store: Store, clock: ManualClock) -> None:
    await end(store, clock, 1)
    clock.advance((100 * DAY).total_seconds())
    assert await store.history.purge_environments(clock()) == 1
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 1, FIRST, True)])
    environment = await store.environments.get(key(1))
    assert environment is not None
    assert (environment.generation, environment.overrides) == (1, UserOverrides())


async def test_decisions_are_purged_after_the_retention(store: Store, clock: ManualClock) -> None:
    for number in range(1, 301):
        await end(store, clock, number)
    clock.advance((10 * DAY).total_seconds())
    await end(store, clock, 1)
    assert await store.history.purge_decisions(clock() - 5 * DAY) == 300
    assert len(await store.journal.decisions(key(1))) == 1
    assert await store.journal.decisions(key(2)) == []
