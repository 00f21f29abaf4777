"""Records of drift, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.drift import DriftRecord
from bot.model.environment import EnvironmentKey
from bot.model.errors import Superseded
from bot.model.work import Claim, WorkKey
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.github.drifts import CLEAN, DRIFTED, UNKNOWN


async def claimed(store: Store, record: DriftRecord) -> Claim:
    await store.queue.enqueue([WorkKey.drift(record.key)])
    [claim] = await store.queue.claim("worker", 1, 60)
    return claim


async def test_record_is_kept_replaced_counted_and_deleted(store: Store):
    claim = await claimed(store, CLEAN)
    assert await store.drifts.get(CLEAN.key) is None
    await store.drifts.save(claim, CLEAN)
    assert await store.drifts.get(CLEAN.key) == CLEAN
    await store.drifts.save(claim, DRIFTED)
    other = replace(UNKNOWN, key=EnvironmentKey.stage(11, "staging"))
    other = replace(other, repository=replace(UNKNOWN.repository, id=11))
    await store.drifts.save(claim, other)
    assert await store.drifts.get(CLEAN.key) == DRIFTED
    assert await store.drifts.find() == [DRIFTED, other]
    assert await store.drifts.find(11) == [other]
    assert await store.drifts.count() == {"drift": 1, "unknown": 1}
    await store.drifts.delete(claim, CLEAN.key)
    assert await store.drifts.find() == [other]


async def test_late_worker_writes_nothing(store: Store, clock: ManualClock):
    claim = await claimed(store, CLEAN)
    clock.advance(61)
    await store.queue.claim("another worker", 1, 60)
    with pytest.raises(Superseded):
        await store.drifts.save(claim, CLEAN)
    with pytest.raises(Superseded):
        await store.drifts.delete(claim, CLEAN.key)


async def test_hostile_texts_are_kept(store: Store):
    hostile = replace(DRIFTED.confirmed[0], manager="\x00\u202e'; DROP TABLE drifts; --")
    record = replace(DRIFTED, confirmed=(hostile,))
    await store.drifts.save(await claimed(store, CLEAN), record)
    assert await store.drifts.get(CLEAN.key) == record
