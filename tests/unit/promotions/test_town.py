"""Random sequences of what people say, pushes of configuration, failures and kills, on a real store."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.model.environment import EnvironmentKey
from bot.model.promotion import ENDED, MOVING, PromotionKind, PromotionState
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.scenes import SHOP
from tests.unit.promotions.town import PIPELINE, RELEASES, STAGES, UNREVIEWED, Town

_BEGUN = MOVING | {PromotionState.SUCCEEDED, PromotionState.ROLLED_BACK}

words = st.sampled_from(
    ("promote", "promote", "approve", "approve", "abort", "rollback", "pause", "resume", "lock", "unhold")
)
people_names = st.sampled_from(("ada", "bea", "cem"))
people = st.tuples(
    st.just("people"),
    words,
    st.sampled_from(STAGES),
    people_names,
    st.sampled_from(tuple(RELEASES)),
)
actions = st.lists(
    st.one_of(
        people,
        people,
        st.tuples(st.just("work"), st.sampled_from((3, 30))),
        st.tuples(
            st.just("push through"), st.sampled_from(STAGES), people_names, st.sampled_from(tuple(RELEASES))
        ),
        st.tuples(st.just("kill"), st.integers(1, 6)),
        st.tuples(st.just("wait"), st.sampled_from((20, 700, 700, 90_000))),
        st.tuples(st.just("break"), st.sampled_from(tuple(RELEASES))),
        st.tuples(st.just("configure")),
    ),
    min_size=10,
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions)
def test_whatever_happens_stages_run_what_they_should(happened: Sequence[tuple[Any, ...]]) -> None:
    asyncio.run(_play(happened))


async def test_while_github_is_away_nothing_is_compared_and_nothing_is_refused() -> None:
    async with _town() as town:
        town.github.configuration = PIPELINE.replace("automatic: true, ", "")
        await town.people("promote", "integration", "ada", "a")
        await town.work(20)
        town.github.away = True
        await town.people("promote", "staging", "ada", "a")
        await town.work(10)
        staging = EnvironmentKey.stage(SHOP.id, "staging")
        [waiting] = await town.store.promotions.find(SHOP.id, stage=staging)
        assert waiting.state is PromotionState.REQUESTED
        town.github.away = False
        town.clock.advance(60)
        await town.work(20)
        [promoted] = await town.store.promotions.find(SHOP.id, stage=staging)
        assert promoted.state is PromotionState.SUCCEEDED
        assert [each.alike for each in promoted.parity] == [True]


async def _play(happened: Sequence[tuple[Any, ...]]) -> None:
    async with _town() as town:
        for each in happened:
            await _do(town, *each)
            await _holds(town)
        await _comes_to_rest(town)


@contextlib.asynccontextmanager
async def _town() -> AsyncIterator[Town]:
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(f"sqlite:///{Path(folder) / 'town.db'}", clock)
        await store.migrate()
        try:
            town = Town(store, clock)
            await town.begin()
            yield town
        finally:
            await store.close()


async def _do(town: Town, what: str, *given: Any) -> None:
    match what:
        case "people":
            await town.people(*given)
        case "push through":
            stage, by, commit = given
            await town.people("promote", stage, by, commit)
            await town.work(10)
            for person in ("bea", "cem"):
                await town.people("approve", stage, person, commit)
            await town.kill_after(2)
            await town.work(20)
        case "work":
            await town.work(*given)
        case "kill":
            await town.kill_after(*given)
        case "wait":
            town.clock.advance(*given)
        case "break":
            [image] = RELEASES[given[0]].images.values()
            town.cluster.broken ^= {image.digest}
        case "configure":
            changed = PIPELINE.replace("soak: 10m", "soak: 10m, config: {PRICES: high}")
            town.github.configuration = PIPELINE if town.github.configuration == changed else changed


async def _holds(town: Town) -> None:
    await town.pods_are_what_the_store_says()
    found = await town.store.promotions.find(SHOP.id, limit=1000)
    records = {record.name: record for record in await town.store.promotions.stages(SHOP.id)}
    for name, record in records.items():
        moving = [each.id for each in found if each.stage.name == name and each.state in MOVING]
        assert moving == ([record.moving] if record.moving else [])
    production = records.get("production")
    if production is not None and production.target is not None:
        assert production.target.release.commit != UNREVIEWED * 40
    for each in found:
        protected = each.stage.name == "production" and each.kind is PromotionKind.PROMOTION
        if protected and each.state in _BEGUN:
            assert {yes.by for yes in each.approvals} - {each.requested_by, "ada"}


async def _comes_to_rest(town: Town) -> None:
    """Nothing is stuck: what is mended and left alone ends, and pods run what the store says."""
    town.cluster.broken = set()
    for _ in range(20):
        town.clock.advance(24 * 3600)
        await town.work(60)
    found = await town.store.promotions.find(SHOP.id, limit=1000)
    assert [each for each in found if each.state not in ENDED] == []
    await town.pods_are_what_the_store_says()
