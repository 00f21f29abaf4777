"""Stages, promotions, releases and audit in the store, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.model.delivery import PullRequestHint
from bot.model.environment import EnvironmentKey, EnvironmentKind, EnvironmentState, Status
from bot.model.errors import Superseded
from bot.model.promotion import Promotion, PromotionState
from bot.model.reason import Reported
from bot.model.release import Target
from bot.model.work import Claim, WorkKey
from bot.promotions import stage_actions
from bot.promotions.reasons import StateEvent
from bot.promotions.refusals import Refusal
from bot.promotions.stage_aggregate import StageAggregate
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.stage_fixtures import PIPELINE, SHOP, promotion, release

STAGING = EnvironmentKey.stage(SHOP.id, "staging")
State = PromotionState


def asked(clock: ManualClock, id: str = "p1", by: str = "ada") -> Promotion:
    return promotion("staging", by, id, clock.now)


async def request(store: Store, clock: ManualClock, id: str = "p1", by: str = "ada") -> StageAggregate:
    new = asked(clock, id, by)
    return await store.promotions.change(
        STAGING, SHOP, lambda aggregate: stage_actions.request(aggregate, new, clock.now), promotion_id=id
    )


async def claim(store: Store, key: WorkKey) -> Claim:
    claims = await store.queue.claim("test", 10, 60)
    return next(item for item in claims if item.key == key)


def begin(aggregate: StageAggregate, clock: ManualClock, id: str = "p1") -> StageAggregate:
    aggregate = aggregate.set_target(Target(release(), PIPELINE, 0), clock.now, id)
    promotion = replace(aggregate.promotions[id], policy=PIPELINE)
    return aggregate.transition(promotion, State.DEPLOYING, clock.now)


async def test_promotion_request_is_stored_once_and_enqueued(store: Store, clock: ManualClock) -> None:
    for _ in range(10):
        await request(store, clock)
    assert [item.id for item in await store.promotions.find(SHOP.id)] == ["p1"]
    assert len(await store.audit.entries(SHOP.id)) == 1
    await claim(store, WorkKey.promotion("p1"))


async def test_ended_promotion_is_not_restarted(store: Store, clock: ManualClock) -> None:
    await request(store, clock)
    await store.promotions.change(
        STAGING,
        SHOP,
        lambda aggregate: stage_actions.abort(aggregate, aggregate.promotions["p1"], "bea", "", clock.now),
    )
    aggregate = await request(store, clock)
    assert aggregate.promotions["p1"].state is State.ABORTED


async def test_promotions_are_read_as_written(store: Store, clock: ManualClock) -> None:
    await request(store, clock)
    aggregate = await store.promotions.change(STAGING, SHOP, lambda aggregate: begin(aggregate, clock))
    assert await store.promotions.get("p1") == aggregate.promotions["p1"]
    assert await store.promotions.stages(SHOP.id) == [aggregate.stage]
    again = await store.promotions.change(STAGING, SHOP, lambda aggregate: aggregate, promotion_id="p1")
    assert (again.stage, again.promotions) == (aggregate.stage, aggregate.promotions)


async def test_new_target_raises_the_environments_generation(store: Store, clock: ManualClock) -> None:
    await request(store, clock)
    await store.promotions.change(STAGING, SHOP, lambda aggregate: begin(aggregate, clock))
    environment = await store.environments.get(STAGING)
    assert environment is not None
    assert environment.overrides.target is not None
    assert environment.overrides.target.release == release()
    held = await claim(store, WorkKey.environment(STAGING))
    await store.environments.check(held, STAGING, environment.generation)

    await store.promotions.change(
        STAGING, SHOP, lambda aggregate: aggregate.set_target(None, clock.now, "p1")
    )
    with pytest.raises(Superseded):
        await store.environments.check(held, STAGING, environment.generation)
    environment = await store.environments.get(STAGING)
    assert environment is not None
    assert environment.overrides.target is None


async def test_only_an_environment_that_existed_gets_a_snapshot(store: Store, clock: ManualClock) -> None:
    """The namespace of a new one is created with a snapshot."""
    await request(store, clock)
    await store.promotions.change(STAGING, SHOP, lambda aggregate: begin(aggregate, clock))
    claims = await store.queue.claim("test", 10, 60)
    assert {item.key for item in claims} == {WorkKey.promotion("p1"), WorkKey.environment(STAGING)}
    await request(store, clock, "p2")
    assert WorkKey.snapshot(STAGING) in {item.key for item in await store.queue.claim("test", 10, 60)}


async def test_claim_reads_the_release_that_the_requester_saw(store: Store, clock: ManualClock) -> None:
    seen = release()
    await store.releases.keep(seen)
    new = replace(asked(clock), head=seen.commit)
    await store.promotions.change(
        STAGING, SHOP, lambda aggregate: stage_actions.request(aggregate, new, clock.now), promotion_id="p1"
    )
    loaded = await store.promotions.claimed(await claim(store, WorkKey.promotion("p1")))
    assert loaded is not None
    assert loaded.seen == seen


async def test_change_fails_after_a_lost_claim(store: Store, clock: ManualClock) -> None:
    await request(store, clock)
    held = await claim(store, WorkKey.promotion("p1"))
    clock.advance(61)
    await claim(store, WorkKey.promotion("p1"))
    with pytest.raises(Superseded):
        await store.promotions.change(STAGING, SHOP, lambda aggregate: begin(aggregate, clock), claim=held)
    with pytest.raises(Superseded):
        await store.promotions.save_receipt(held, "p1", "{}")
    result = await store.promotions.get("p1")
    assert result is not None
    assert result.state is State.REQUESTED
    assert await store.environments.get(STAGING) is None


async def test_refused_change_stores_nothing(store: Store, clock: ManualClock) -> None:
    await request(store, clock)
    entries = await store.audit.entries(SHOP.id)

    def refuse(aggregate: StageAggregate) -> StageAggregate:
        begin(aggregate, clock)
        raise Refusal(Reported("no"))

    with pytest.raises(Refusal):
        await store.promotions.change(STAGING, SHOP, refuse)
    assert await store.audit.entries(SHOP.id) == entries
    assert await store.environments.get(STAGING) is None


async def test_database_allows_one_active_promotion_per_stage(store: Store, clock: ManualClock) -> None:
    await request(store, clock, "p1")
    await request(store, clock, "p2", "bea")
    await store.promotions.change(STAGING, SHOP, lambda aggregate: begin(aggregate, clock, "p1"))

    def intrude(aggregate: StageAggregate) -> StageAggregate:
        other = replace(aggregate.promotions["p2"], state=State.DEPLOYING)
        return replace(aggregate, promotions={**aggregate.promotions, "p2": other})

    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.promotions.change(STAGING, SHOP, intrude)


async def test_stage_passes_to_the_next_promotion_in_one_transaction(
    store: Store, clock: ManualClock
) -> None:
    await request(store, clock, "p1", "")
    await request(store, clock, "p2", "")
    await store.promotions.change(STAGING, SHOP, lambda aggregate: begin(aggregate, clock, "p1"))

    def hand_over(aggregate: StageAggregate) -> StageAggregate:
        aggregate = aggregate.transition(aggregate.promotions["p1"], State.SUPERSEDED, clock.now)
        return begin(aggregate, clock, "p2")

    aggregate = await store.promotions.change(STAGING, SHOP, hand_over)
    assert aggregate.stage.active_promotion == "p2"


async def test_concurrent_changes_are_serialized(store: Store, clock: ManualClock) -> None:
    await request(store, clock)

    def approve(aggregate: StageAggregate) -> StageAggregate:
        first = aggregate.promotions["p1"]
        return aggregate.with_event(first, clock.now, StateEvent(first.state, f"line {len(first.timeline)}"))

    await asyncio.gather(*(store.promotions.change(STAGING, SHOP, approve) for _ in range(10)))
    result = await store.promotions.get("p1")
    assert result is not None
    _, *lines = [entry.event for entry in result.timeline]
    assert lines == [str(StateEvent(State.REQUESTED, f"line {number}")) for number in range(1, 11)]


async def test_waiting_promotions_are_woken_when_the_stage_is_free(store: Store, clock: ManualClock) -> None:
    await request(store, clock, "p1")
    await request(store, clock, "p2", "")
    await store.promotions.change(STAGING, SHOP, lambda aggregate: begin(aggregate, clock, "p1"))
    for item in await store.queue.claim("test", 10, 60):
        await store.queue.finish(item)
    await store.promotions.change(
        STAGING,
        SHOP,
        lambda aggregate: stage_actions.abort(aggregate, aggregate.promotions["p1"], "bea", "", clock.now),
    )
    await claim(store, WorkKey.promotion("p2"))


async def test_releases_are_stored_once_and_found_by_commit(store: Store, clock: ManualClock) -> None:
    first = replace(release("a"), tree="", made_at=clock.now)
    await store.releases.keep(first)
    await store.releases.keep(replace(first, number=9))
    clock.advance(1)
    newer = replace(first, manifests_digest="sha256:1", made_at=clock.now)
    await store.releases.keep(newer)
    assert await store.releases.get(SHOP.id, first.id) == first
    assert await store.releases.of_commit(SHOP.id, first.commit) == newer
    assert await store.releases.get(SHOP.id + 1, first.id) is None


async def test_tree_of_a_release_is_stored_with_its_promotion(store: Store, clock: ManualClock) -> None:
    await store.releases.keep(replace(release(), tree=""))
    await request(store, clock)

    def resolve(aggregate: StageAggregate) -> StageAggregate:
        resolved = replace(aggregate.promotions["p1"], release=replace(release(), tree="f" * 40))
        return aggregate.with_promotion(resolved)

    await store.promotions.change(STAGING, SHOP, resolve)
    stored = await store.releases.get(SHOP.id, release().id)
    assert stored is not None
    assert stored.tree == "f" * 40


async def test_audit_has_actor_action_reason_before_and_after(store: Store, clock: ManualClock) -> None:
    until = clock.now + timedelta(hours=2)
    await store.promotions.change(
        STAGING, SHOP, lambda aggregate: stage_actions.lock(aggregate, "bea", until, "load test", clock.now)
    )
    [entry] = await store.audit.entries(SHOP.id, stage="staging")
    assert (entry.actor, entry.action, entry.reason, entry.at) == ("bea", "locked", "load test", clock.now)
    assert entry.after == "until 01 March 2026, 14:00 UTC"
    assert await store.audit.entries(SHOP.id, stage="production") == []


async def test_change_with_a_token_happens_once(store: Store, clock: ManualClock) -> None:
    await request(store, clock)
    for _ in range(3):
        aggregate = await store.promotions.change(
            STAGING,
            SHOP,
            lambda aggregate: stage_actions.pause(aggregate, aggregate.promotions["p1"], "bea", clock.now),
            promotion_id="p1",
            token="comment/7",
        )
        assert aggregate.promotions["p1"].paused_by == "bea"
        clock.advance(1)
    entries = [item for item in await store.audit.entries(SHOP.id) if item.action == "paused"]
    assert [item.token for item in entries] == ["comment/7"]
    assert await store.promotions.carried_out(SHOP.id, "comment/7") == "p1"
    assert await store.promotions.carried_out(SHOP.id, "comment/8") is None
    assert await store.promotions.carried_out(SHOP.id, "") is None
    assert await store.promotions.carried_out(SHOP.id + 1, "comment/7") is None


async def test_concurrent_workers_with_one_token_change_once(store: Store, clock: ManualClock) -> None:
    def lock(aggregate: StageAggregate) -> StageAggregate:
        return stage_actions.lock(aggregate, "bea", clock.now + timedelta(hours=2), "", clock.now)

    changes = (store.promotions.change(STAGING, SHOP, lock, token="comment/7") for _ in range(5))
    boards = await asyncio.gather(*changes)
    assert len({aggregate.stage.lock for aggregate in boards}) == 1
    assert len(await store.audit.entries(SHOP.id)) == 1


async def test_refusal_does_not_use_up_the_token(store: Store, clock: ManualClock) -> None:
    def unhold(aggregate: StageAggregate) -> StageAggregate:
        return stage_actions.unhold(aggregate, "bea", clock.now)

    with pytest.raises(Refusal):
        await store.promotions.change(STAGING, SHOP, unhold, token="comment/7")
    await store.promotions.change(
        STAGING, SHOP, lambda aggregate: stage_actions.hold(aggregate, "cem", "", clock.now)
    )
    aggregate = await store.promotions.change(STAGING, SHOP, unhold, token="comment/7")
    assert aggregate.stage.hold is None


LATER = timedelta(days=91)


async def kept(store: Store, *commits: str) -> str:
    """Those of the commits whose release is known."""
    result = [await store.releases.of_commit(SHOP.id, commit * 40) for commit in commits]
    return "".join(commit for commit, item in zip(commits, result, strict=True) if item is not None)


async def make(store: Store, clock: ManualClock, commits: str) -> None:
    for commit in commits:
        await store.releases.keep(replace(release(commit), made_at=clock.now))
        clock.advance(1)


async def test_purge_deletes_unreferenced_releases_oldest_first(store: Store, clock: ManualClock) -> None:
    await make(store, clock, "abcd")
    assert await store.releases.purge(clock.now - LATER, 100) == 0
    clock.advance(LATER.total_seconds())
    await make(store, clock, "e")
    assert await store.releases.purge(clock.now - timedelta(days=90), 2) == 2
    assert await kept(store, *"abcde") == "cde"
    assert await store.releases.purge(clock.now - timedelta(days=90), 2) == 2
    assert await store.releases.purge(clock.now - timedelta(days=90), 2) == 0
    assert await kept(store, *"abcde") == "e"


async def test_purge_keeps_releases_of_stages_and_rollbacks(store: Store, clock: ManualClock) -> None:
    await make(store, clock, "abc")
    await request(store, clock)

    def change(aggregate: StageAggregate) -> StageAggregate:
        for commit in "ab":
            aggregate = aggregate.set_target(Target(release(commit), PIPELINE, 0), clock.now, "p1")
            aggregate = aggregate.verify(aggregate.promotions["p1"], clock.now)
        return stage_actions.abort(aggregate, aggregate.promotions["p1"], "bea", "", clock.now)

    await store.promotions.change(STAGING, SHOP, change)
    clock.advance(LATER.total_seconds())
    assert await store.releases.purge(clock.now, 100) == 1
    assert await kept(store, *"abc") == "ab"
    assert len(await store.audit.entries(SHOP.id)) == 4
    assert await store.promotions.get("p1") is not None


async def test_purge_keeps_unverified_and_pinned_releases(store: Store, clock: ManualClock) -> None:
    await make(store, clock, "ab")
    demo = EnvironmentKey(EnvironmentKind.DEMO, SHOP.id, "sales")
    await store.promotions.change(
        demo,
        SHOP,
        lambda aggregate: aggregate.set_target(Target(release("a"), PIPELINE, 0), clock.now, ""),
    )
    clock.advance(LATER.total_seconds())
    assert await store.releases.purge(clock.now, 100) == 1
    assert await kept(store, *"ab") == "a"


async def test_purge_keeps_releases_of_open_promotions(store: Store, clock: ManualClock) -> None:
    await make(store, clock, "abcd")
    result = replace(asked(clock), release=release("a"))
    expected = replace(asked(clock, "p2"), requested_release=release("b").id)
    head = replace(asked(clock, "p3"), head="d" * 40)

    def change(aggregate: StageAggregate) -> StageAggregate:
        for item in (result, expected, head):
            aggregate = stage_actions.request(aggregate, item, clock.now)
        return aggregate

    await store.promotions.change(STAGING, SHOP, change)
    clock.advance(LATER.total_seconds())
    assert await store.releases.purge(clock.now, 100) == 1
    assert await kept(store, *"abcd") == "abd"
    await store.promotions.change(
        STAGING,
        SHOP,
        lambda aggregate: stage_actions.abort(aggregate, aggregate.promotions["p1"], "bea", "", clock.now),
    )
    assert await store.releases.purge(clock.now, 100) == 1
    assert await kept(store, *"abcd") == "bd"
    ended = await store.promotions.get("p1")
    assert ended is not None
    assert ended.release == release("a")


async def test_purge_keeps_releases_of_open_previews(store: Store, clock: ManualClock) -> None:
    await make(store, clock, "abc")
    for number, commit in ((1, "a"), (2, "b")):
        await store.deliveries.apply_hints([PullRequestHint(SHOP, number, commit * 40, open=True)])
    clock.advance(LATER.total_seconds())
    assert await store.releases.purge(clock.now, 100) == 1
    assert await kept(store, *"abc") == "ab"
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 2, "b" * 40, open=False)])
    gone = EnvironmentKey.preview(SHOP.id, 2)
    held = await claim(store, WorkKey.environment(gone))
    environment = await store.environments.get(gone)
    assert environment is not None
    await store.environments.save(held, replace(environment, status=Status(EnvironmentState.GONE)))
    assert await store.releases.purge(clock.now, 100) == 1
    assert await kept(store, *"abc") == "a"


async def test_statistics_count_environments_promotions_and_stages(store: Store, clock: ManualClock) -> None:
    assert (await store.statistics.read()).promotions == {}
    await store.deliveries.apply_hints(
        [PullRequestHint(SHOP, 1, "a" * 40, open=True), PullRequestHint(SHOP, 2, "b" * 40, open=True)]
    )
    waiting = replace(asked(clock), state=State.AWAITING_APPROVAL)

    def change(aggregate: StageAggregate) -> StageAggregate:
        aggregate = stage_actions.request(aggregate, waiting, clock.now)
        aggregate = stage_actions.request(aggregate, asked(clock, "p2"), clock.now)
        aggregate = stage_actions.reject(aggregate, aggregate.promotions["p2"], "bea", "", clock.now)
        aggregate = stage_actions.hold(aggregate, "bea", "", clock.now)
        return stage_actions.lock(aggregate, "bea", clock.now + timedelta(hours=1), "", clock.now)

    await store.promotions.change(STAGING, SHOP, change)
    clock.advance(90)
    result = await store.statistics.read()
    assert result.environments == {"pending": 2}
    assert result.promotions == {"awaiting approval": 1, "rejected": 1}
    assert (result.locked, result.held, result.approval_seconds) == (1, 1, 90)

    again = await store.statistics.read()
    assert again == result, "a second scrape counts nothing twice"

    clock.advance(3600)
    await store.promotions.change(
        STAGING,
        SHOP,
        lambda aggregate: stage_actions.abort(aggregate, aggregate.promotions["p1"], "bea", "", clock.now),
    )
    await store.promotions.change(
        STAGING, SHOP, lambda aggregate: stage_actions.unhold(aggregate, "bea", clock.now)
    )
    result = await store.statistics.read()
    assert (result.locked, result.held, result.approval_seconds) == (0, 0, 0)
    assert result.promotions == {"aborted": 1, "rejected": 1}
    clock.advance(300)
    assert (await store.statistics.read()).promotions == result.promotions
