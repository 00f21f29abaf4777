"""What survives the store: snapshots, their way into another store, and copies; on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.delivery import PullRequestHint
from bot.model.environment import Environment, EnvironmentKey, EnvironmentState, UserOverrides
from bot.model.manifest import OwnedNamespace
from bot.model.promotion import PromotionState as State
from bot.model.quota import Admission
from bot.model.release import Target
from bot.model.snapshot import StoreVersion
from bot.model.work import WorkKey
from bot.promotions import stage_actions, stage_recovery
from bot.promotions.stage_aggregate import StageAggregate
from bot.store import Store, StoreUnusable
from bot.store.snapshots import read_snapshot
from bot.store.transfer import copy
from tests.stores import ManualClock
from tests.unit.promotions.stage_fixtures import PIPELINE, SHOP, promotion, release

PREVIEW, STAGING = EnvironmentKey.preview(SHOP.id, 7), EnvironmentKey.stage(SHOP.id, "staging")
HEAD = "a" * 40


def allow(overrides: UserOverrides) -> UserOverrides:
    return replace(overrides, allowed_commit=HEAD, allowed_by="ada", reseeds=2)


async def open_preview(store: Store, *changes: Callable[[UserOverrides], UserOverrides]) -> Environment:
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 7, HEAD, open=True)])
    for change in changes:
        await store.environments.update_overrides(PREVIEW, change, "allowed", "ada")
    environment = await store.environments.get(PREVIEW)
    assert environment is not None
    return environment


async def promote(store: Store, clock: ManualClock, *ids: str) -> None:
    """Verifies all of the promotions but the last one, which deploys."""
    for id in ids:
        new = replace(promotion("staging", "ada", id, clock.now), policy=PIPELINE, configuration=PIPELINE)

        def begin(aggregate: StageAggregate, new: object = new, id: str = id) -> StageAggregate:
            aggregate = stage_actions.request(aggregate, new, clock.now)  # type: ignore[arg-type]
            target = Target(release(), f"{PIPELINE}# {id}\n", 0)
            aggregate = aggregate.set_target(target, clock.now, id)
            begun = aggregate.transition(aggregate.promotions[id], State.DEPLOYING, clock.now)
            if id == ids[-1]:
                return begun
            done = begun.verify(begun.promotions[id], clock.now)
            return done.transition(done.promotions[id], State.SUCCEEDED, clock.now)

        await store.promotions.change(STAGING, SHOP, begin, promotion_id=id)


async def namespace(store: Store, key: EnvironmentKey, generation: int) -> OwnedNamespace:
    taken = await store.snapshots.take(key)
    assert taken is not None
    return OwnedNamespace(taken[0], key, SHOP, False, generation, taken[1])


@asynccontextmanager
async def another(clock: ManualClock, path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{path}", clock)
    await store.migrate()
    yield store
    await store.close()


async def test_preview_is_adopted_with_the_permission_for_its_commit(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    old = await open_preview(store, allow)
    live = await namespace(store, PREVIEW, old.generation - 1)
    async with another(clock, tmp_path / "new.db") as new:
        for _ in range(2):  # a crash between adoption and reconcile
            await new.snapshots.adopt(live, read_snapshot(live))
        adopted = await new.environments.get(PREVIEW)
        assert adopted is not None
        assert adopted.generation == old.generation + 1
        assert adopted.observed_generation == 0
        assert adopted.overrides == old.overrides
        assert adopted.namespace == old.namespace
        assert adopted.admission is Admission.ADMITTED
        claims = await new.queue.claim("test", 10, 60)
        assert {claim.key for claim in claims} == {WorkKey.environment(PREVIEW), WorkKey.snapshot(PREVIEW)}


async def test_record_of_a_backup_keeps_receipt_and_gets_newer_overrides(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    old = await open_preview(store, allow)
    live = await namespace(store, PREVIEW, old.generation)
    async with another(clock, tmp_path / "backup.db") as backup:
        before = await open_preview(backup)
        assert before.generation < old.generation
        await backup.snapshots.adopt(live, read_snapshot(live))
        adopted = await backup.environments.get(PREVIEW)
        assert adopted is not None
        assert adopted.overrides == old.overrides
        assert adopted.status.state is EnvironmentState.PENDING
        assert await backup.snapshots.versions([PREVIEW]) == {PREVIEW: StoreVersion(old.generation + 1)}


async def test_newer_record_is_not_changed_by_adoption(store: Store) -> None:
    old = await open_preview(store)
    live = await namespace(store, PREVIEW, old.generation)
    newer = await open_preview(store, allow)
    await store.snapshots.adopt(live, read_snapshot(live))
    assert await store.environments.get(PREVIEW) == newer


async def test_stage_is_restored_with_history_hold_and_promotion(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    await promote(store, clock, "p1", "p2")
    await store.promotions.change(
        STAGING, SHOP, lambda aggregate: stage_actions.hold(aggregate, "bea", "no changes", clock.now)
    )
    live = await namespace(store, STAGING, 2)
    snapshot = read_snapshot(live)
    assert snapshot is not None
    [record] = await store.promotions.stages(SHOP.id)
    async with another(clock, tmp_path / "new.db") as new:
        clock.advance(3 * 60 * 60)
        for _ in range(2):
            restored = await new.promotions.change(
                STAGING, SHOP, lambda aggregate: stage_recovery.restore(aggregate, snapshot, clock.now)
            )
            await new.snapshots.adopt(live, snapshot)
        assert replace(restored.stage, revision=record.revision) == record
        [under_way] = await new.promotions.find(stage=STAGING, ended=False)
        assert under_way.id == "p2"
        assert under_way.deadline > clock.now + timedelta(minutes=30)
        environment = await new.environments.get(STAGING)
        assert environment is not None
        assert environment.overrides.target == record.target
        assert await new.releases.get(SHOP.id, release().id) is not None
        [version] = (await new.snapshots.versions([STAGING])).values()
        assert version.revision > record.revision


async def test_promotion_that_ended_after_the_backup_ends(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    async with another(clock, tmp_path / "backup.db") as backup:
        await promote(backup, clock, "p1")
        await promote(store, clock, "p1", "p2")
        live = await namespace(store, STAGING, 3)
        snapshot = read_snapshot(live)
        assert snapshot is not None
        await backup.promotions.change(
            STAGING, SHOP, lambda aggregate: stage_recovery.restore(aggregate, snapshot, clock.now)
        )
        states = {item.id: item.state for item in await backup.promotions.find(stage=STAGING)}
        assert states == {"p1": State.SUCCEEDED, "p2": State.DEPLOYING}
        [record] = await backup.promotions.stages(SHOP.id)
        assert record.active_promotion == "p2"


async def test_snapshot_fits_into_an_annotation(store: Store, clock: ManualClock) -> None:
    for number in range(10):
        id, large = f"p{number}", "x" * 60_000 + str(number)

        def verify(aggregate: StageAggregate, id: str = id, large: str = large) -> StageAggregate:
            aggregate = stage_actions.request(
                aggregate, promotion("staging", "ada", id, clock.now), clock.now
            )
            aggregate = aggregate.set_target(Target(release(), large, 0), clock.now, id)
            aggregate = aggregate.verify(aggregate.promotions[id], clock.now)
            return aggregate.transition(aggregate.promotions[id], State.SUCCEEDED, clock.now)

        await store.promotions.change(STAGING, SHOP, verify, promotion_id=id)
    live = await namespace(store, STAGING, 3)
    assert len(live.snapshot) < 256 * 1024
    snapshot = read_snapshot(live)
    assert snapshot is not None
    assert snapshot.stage is not None
    assert snapshot.stage.verified[-1].target == snapshot.stage.target
    assert len(snapshot.stage.verified) == 2


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", '{"version":2,"snapshot":{}}', '{"version":1,"snapshot":{"generation":"x"}}'],
)
def test_unreadable_snapshot_is_none(text: str) -> None:
    assert read_snapshot(OwnedNamespace("gr", PREVIEW, SHOP, False, 1, text)) is None


async def test_snapshot_of_another_stage_is_none(store: Store, clock: ManualClock) -> None:
    await promote(store, clock, "p1")
    live = await namespace(store, STAGING, 2)
    assert read_snapshot(replace(live, environment=EnvironmentKey.stage(SHOP.id, "production"))) is None
    assert read_snapshot(replace(live, environment=PREVIEW)) is None


async def test_copy_keeps_the_history_under_a_new_id(
    store: Store, database_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    source = f"sqlite:///{tmp_path / 'source.db'}"
    async with another(clock, tmp_path / "source.db") as before:
        await promote(before, clock, "p1", "p2")
        preview = await open_preview(before, allow)
        await before.queue.claim("test", 10, 60)
        old = await before.identity.read()
        entries = await before.audit.entries()
    assert await copy(source, database_url) > 10
    assert await store.environments.get(PREVIEW) == preview
    assert await store.audit.entries() == entries
    assert len(await store.promotions.find(stage=STAGING)) == 2
    new = await store.identity.read()
    assert new.id != old.id
    assert new.token == old.token
    # The database numbers further entries after the copied ones.
    await store.promotions.change(
        STAGING, SHOP, lambda aggregate: stage_actions.hold(aggregate, "bea", "no changes", clock.now)
    )
    assert (await store.audit.entries())[0].action == "hold"
    with pytest.raises(StoreUnusable, match="not empty"):
        await copy(source, database_url)
