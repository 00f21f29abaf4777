"""Effects of deliveries in the store, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest

from bot.model.delivery import (
    CommitStatusChanged,
    ConfigurationChanged,
    DefaultBranchPushed,
    Delivery,
    PullRequestHint,
    RerunRequested,
    ResyncRequested,
    WebhookEffect,
)
from bot.model.environment import EnvironmentKey, EnvironmentState, Status
from bot.model.errors import Superseded
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.store import Store
from tests.contract.shop import FIRST, SECOND, SEVEN, SHOP, pull_request
from tests.stores import ManualClock

_guids = itertools.count()


async def deliver(store: Store, clock: ManualClock, *asks: WebhookEffect, guid: str | None = None) -> None:
    guid = guid or f"guid-{next(_guids)}"
    await store.deliveries.record(Delivery(guid, "pull_request", "opened", clock(), SHOP), asks)


def head(sha: str | None, *, opened: bool | None = True, number: int = 7) -> PullRequestHint:
    return PullRequestHint(SHOP, number, sha, opened)


async def generation(store: Store, key: EnvironmentKey = SEVEN) -> int:
    environment = await store.environments.get(key)
    assert environment is not None
    return environment.generation


async def due(store: Store) -> Sequence[WorkKey]:
    return [claim.key for claim in await store.queue.claim("test", 100, 30)]


async def test_delivery_of_opened_creates_record_and_work(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, head(FIRST))
    environment = await store.environments.get(SEVEN)
    assert environment is not None
    assert environment.repository == SHOP
    assert environment.namespace == "gr-shop-a-pr-7"
    assert (environment.generation, environment.observed_generation) == (1, 0)
    assert environment.status == Status(EnvironmentState.PENDING)
    assert environment.created_at == clock()
    assert await due(store) == [WorkKey.environment(SEVEN)]


async def test_delivery_repeated_has_no_second_effect(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, head(FIRST), guid="one")
    [claim] = await store.queue.claim("me", 1, 30)
    await store.queue.finish(claim)
    await deliver(store, clock, head(SECOND), guid="one")
    assert await generation(store) == 1
    assert await due(store) == []
    assert await store.deliveries.recorded(["one", "two"]) == {"one"}


async def test_concurrent_deliveries_share_transactions(store: Store, clock: ManualClock) -> None:
    async def send(number: int) -> None:
        for _ in range(5):
            await deliver(store, clock, head(FIRST, number=number))

    await asyncio.gather(*(send(1 + number) for number in range(16)))
    assert store.transactions["SqlDeliveryStore._record"] == 5


async def test_generation_rises_once_per_push(store: Store, clock: ManualClock) -> None:
    generations = []
    for hint in (head(FIRST), head(SECOND), head(SECOND), head(SECOND, opened=False), head(SECOND)):
        await deliver(store, clock, hint)
        generations.append(await generation(store))
    assert generations == [1, 2, 2, 3, 4]


async def test_hint_without_head_counts_as_a_change(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, head(FIRST))
    await deliver(store, clock, head(None))
    await deliver(store, clock, head(FIRST, opened=None))
    assert await generation(store) == 3


async def test_closed_before_opened_still_creates_the_record(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, head(FIRST, opened=False))
    assert await store.environments.get(SEVEN) is None
    assert await due(store) == []
    await deliver(store, clock, head(FIRST))
    assert await generation(store) == 1
    assert await due(store) == [WorkKey.environment(SEVEN)]


async def test_pull_request_read_by_worker_replaces_the_hint(store: Store, clock: ManualClock) -> None:
    """A late `opened` must not make a push back to that commit look like nothing new."""
    await deliver(store, clock, head(SECOND))
    await deliver(store, clock, head(FIRST))  # late
    clock.advance(1)
    [claim] = await store.queue.claim("me", 1, 30)
    environment = await store.environments.get(SEVEN)
    assert environment is not None
    await store.environments.save(
        claim,
        dataclasses.replace(
            environment,
            observed_generation=environment.generation,
            attempt=dataclasses.replace(environment.attempt, pull_request=pull_request(SECOND, clock())),
        ),
    )
    before = await generation(store)
    await deliver(store, clock, head(SECOND))
    assert await generation(store) == before
    await deliver(store, clock, head(FIRST))
    assert await generation(store) == before + 1


async def test_repeated_hint_counts_while_worker_reads_github(store: Store, clock: ManualClock) -> None:
    """The worker may have read that it is closed, just before it was reopened."""
    await deliver(store, clock, head(FIRST))
    [claim] = await store.queue.claim("me", 1, 30)
    environment = await store.environments.get(SEVEN)
    assert environment is not None
    await deliver(store, clock, head(FIRST))
    with pytest.raises(Superseded):
        await store.environments.save(claim, dataclasses.replace(environment, observed_generation=1))
    assert await generation(store) == 2


async def test_environment_survives_rename_and_transfer(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, head(FIRST))
    moved = Repository(SHOP.id, 21, "umbrella", "store")
    await deliver(store, clock, PullRequestHint(moved, 7, FIRST, True))
    environment = await store.environments.get(SEVEN)
    assert environment is not None
    assert environment.repository == moved
    assert environment.namespace == "gr-shop-a-pr-7"
    assert environment.generation == 1


async def test_repositories_of_the_same_name_are_separate(store: Store, clock: ManualClock) -> None:
    other = Repository(11, 22, "umbrella", "shop")
    await deliver(store, clock, head(FIRST), PullRequestHint(other, 7, SECOND, True))
    both = await store.environments.find()
    assert {environment.repository for environment in both} == {SHOP, other}
    assert len({environment.namespace for environment in both}) == 2


async def test_fifty_pushes_in_five_seconds_are_two_runs(store: Store, clock: ManualClock) -> None:
    runs = 0
    for number in range(50):
        await deliver(store, clock, head(f"{number:040x}"))
        runs += await _run_what_is_due(store)
        clock.advance(0.1)
    clock.advance(1)
    runs += await _run_what_is_due(store)
    assert runs == 2
    assert await generation(store) == 50
    assert await store.queue.next_due() is None


async def test_enqueue_does_not_shorten_the_settling_time(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, head(FIRST))
    await _run_what_is_due(store)
    await deliver(store, clock, head(SECOND))
    await store.queue.enqueue([WorkKey.environment(SEVEN)])
    assert await due(store) == []
    clock.advance(1)
    assert await due(store) == [WorkKey.environment(SEVEN)]


async def test_settling_time_is_bounded(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, head(FIRST))
    await _run_what_is_due(store)
    started, seconds = clock(), 0.0
    for number in range(100):
        await deliver(store, clock, head(f"{number:040x}"))
        if await _run_what_is_due(store):
            seconds = (clock() - started).total_seconds()
            break
        clock.advance(0.3)
    assert 14 <= seconds <= 15.5


async def test_push_after_a_pause_is_due_at_once(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, head(FIRST))
    await _run_what_is_due(store)
    clock.advance(2)
    await deliver(store, clock, head(SECOND))
    assert await due(store) == [WorkKey.environment(SEVEN)]


async def test_commit_status_wakes_environments_of_that_commit(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, head(FIRST), head(SECOND, number=8))
    await _run_what_is_due(store)
    await deliver(store, clock, CommitStatusChanged(SHOP.id, SECOND))
    assert await due(store) == [WorkKey.environment(EnvironmentKey.preview(SHOP.id, 8))]
    assert await generation(store, EnvironmentKey.preview(SHOP.id, 8)) == 1


async def test_changed_configuration_wakes_all_environments(store: Store, clock: ManualClock) -> None:
    other = Repository(11, 22, "umbrella", "shop")
    await deliver(store, clock, head(FIRST), head(SECOND, number=8), PullRequestHint(other, 7, FIRST, True))
    await _run_what_is_due(store)
    clock.advance(60)
    await deliver(store, clock, ConfigurationChanged(SHOP))
    assert set(await due(store)) == {
        WorkKey.environment(SEVEN),
        WorkKey.environment(EnvironmentKey.preview(SHOP.id, 8)),
        WorkKey.pipeline(SHOP.id),
    }
    assert await generation(store) == 2


async def test_resync_uses_the_latest_repository_name(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, ResyncRequested(SHOP), ResyncRequested(SHOP))
    renamed = dataclasses.replace(SHOP, name="store")
    await deliver(store, clock, ResyncRequested(renamed))
    assert await store.deliveries.repository(SHOP.id) == renamed
    assert await store.deliveries.repository(99) is None
    assert await due(store) == [WorkKey.resync(SHOP.id)]


async def test_hints_of_a_sweep_act_as_deliveries(store: Store, clock: ManualClock) -> None:
    await store.deliveries.apply_hints([head(FIRST), head(None, opened=False, number=9)])
    assert await generation(store) == 1
    assert await store.environments.get(EnvironmentKey.preview(SHOP.id, 9)) is None
    assert await due(store) == [WorkKey.environment(SEVEN)]


async def test_old_deliveries_are_purged(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, guid="old")
    clock.advance(3600)
    await deliver(store, clock, guid="new")
    assert await store.deliveries.purge(clock() - timedelta(minutes=1)) == 1
    assert await store.deliveries.recorded(["old", "new"]) == {"new"}


async def test_extreme_values_are_stored(store: Store, clock: ManualClock) -> None:
    largest = Repository(2**63 - 1, 2**63 - 1, "Ünïcode-" + "o" * 200, "ñ" * 200)
    hint = PullRequestHint(largest, 2**31 - 1, "f" * 64, True)
    await deliver(store, clock, hint)
    environment = await store.environments.get(EnvironmentKey.preview(largest.id, 2**31 - 1))
    assert environment is not None
    assert environment.repository == largest
    assert len(environment.namespace) <= 63


async def test_delivery_that_fails_does_not_fail_others(store: Store, clock: ManualClock) -> None:
    """Intake rejects such values; the store must accept them without an error."""
    unfit = PullRequestHint(Repository(2**70, 1, "acme", "shop"), 1, FIRST, True)
    results = await asyncio.gather(
        deliver(store, clock, head(FIRST), guid="before"),
        deliver(store, clock, unfit, guid="unfit"),
        deliver(store, clock, head(SECOND, number=8), guid="after"),
        return_exceptions=True,
    )
    assert [result is None for result in results] == [True, False, True]
    assert await store.deliveries.recorded(["before", "unfit", "after"]) == {"before", "after"}
    assert len(await store.environments.find()) == 2


async def test_thousand_concurrent_deliveries_are_stored(store: Store, clock: ManualClock) -> None:
    await asyncio.gather(*(deliver(store, clock, head(FIRST, number=1 + n % 40)) for n in range(1000)))
    assert len(await store.environments.find(repository_id=SHOP.id)) == 40
    assert len(await due(store)) == 40


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
async def test_replicas_agree_on_concurrent_deliveries(database_url: str, clock: ManualClock) -> None:
    stores = [await Store.open(database_url, clock) for _ in range(3)]
    await asyncio.gather(*(store.migrate() for store in stores))
    try:
        for number in range(1, 30):
            hints = [head(FIRST, number=n) for n in (number, number + 1)]
            await asyncio.gather(
                *(deliver(store, clock, *order) for store in stores for order in (hints, hints[::-1]))
            )
        assert len(await stores[0].environments.find()) == 30
        assert len(await stores[1].queue.claim("me", 100, 30)) == 30
    finally:
        for store in stores:
            await store.close()


async def _run_what_is_due(store: Store) -> int:
    claims = await store.queue.claim("test", 100, 30)
    for claim in claims:
        await store.queue.finish(claim)
    return len(claims)


async def test_rerun_request_refreshes_the_preview(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, head(FIRST))
    before = await generation(store)
    await deliver(store, clock, RerunRequested(SHOP, 7, "ada"), guid="rerun")
    await deliver(store, clock, RerunRequested(SHOP, 7, "ada"), guid="rerun")
    await deliver(store, clock, RerunRequested(SHOP, 8, "ada"))
    environment = await store.environments.get(SEVEN)
    assert environment is not None
    assert environment.overrides.refreshes == 1
    assert environment.generation == before + 1
    [decision] = await store.journal.decisions(SEVEN)
    assert (decision.action, decision.by) == ("asked", "ada")


async def test_rerun_of_a_suite_refreshes_the_previews_of_its_commit(
    store: Store, clock: ManualClock
) -> None:
    await deliver(store, clock, head(FIRST))
    await deliver(store, clock, PullRequestHint(SHOP, 8, FIRST, open=True))
    await deliver(store, clock, PullRequestHint(SHOP, 9, SECOND, open=True))
    await deliver(store, clock, RerunRequested(SHOP, None, "ada", FIRST))
    refreshes = {}
    for number in (7, 8, 9):
        environment = await store.environments.get(EnvironmentKey.preview(SHOP.id, number))
        assert environment is not None
        refreshes[number] = environment.overrides.refreshes
    assert refreshes == {7: 1, 8: 1, 9: 0}


async def test_default_branch_push_wakes_only_staged_repositories(store: Store, clock: ManualClock) -> None:
    pipeline = WorkKey.pipeline(SHOP.id)
    await deliver(store, clock, DefaultBranchPushed(SHOP))
    assert await due(store) == []
    await deliver(store, clock, ConfigurationChanged(SHOP))
    assert await due(store) == [pipeline]
    assert await store.deliveries.repository(SHOP.id) == SHOP


async def test_default_branch_push_wakes_a_staged_pipeline(store: Store, clock: ManualClock) -> None:
    stage = EnvironmentKey.stage(SHOP.id, "staging")
    await store.promotions.change(stage, SHOP, lambda aggregate: aggregate)
    await deliver(store, clock, DefaultBranchPushed(SHOP))
    assert await due(store) == [WorkKey.pipeline(SHOP.id)]
