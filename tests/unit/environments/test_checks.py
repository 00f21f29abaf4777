"""Named checks of a preview run concurrently and are reported as the rate limit allows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.environment import CheckState, EnvironmentState
from bot.model.manifest import Answer
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import CONFIGURATION, Harness


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    harness = Harness(store, clock)
    harness.github.configuration = CONFIGURATION + "preview: {checks: [{name: healthy, http: /healthz}]}\n"
    harness.gateway.answer = Answer(503)
    yield harness
    await store.close()


async def test_release_keeps_the_latest_results_of_its_checks(harness: Harness) -> None:
    for _ in range(4):
        await harness.run()
    assert (await harness.status()).state is EnvironmentState.CHECKS_FAILED
    releases, repository = harness.store.releases, harness.key.repository_id
    release = await releases.of_commit(repository, "a" * 40)
    assert release is not None
    assert await releases.checks(repository, release.id) == {"healthy": False}
    harness.gateway.answer = Answer(200)
    await harness.override(refreshes=1)
    for _ in range(4):
        await harness.run()
    assert (await harness.status()).state is EnvironmentState.READY
    assert await releases.checks(repository, release.id) == {"healthy": True}
    assert await releases.checks(repository, "0" * 12) is None


async def test_failed_check_stored_as_ready_is_corrected(harness: Harness) -> None:
    for _ in range(4):
        await harness.run()
    store, ready = harness.store, replace(await harness.status(), state=EnvironmentState.READY, cause=None)
    await harness.hint()
    [claim] = await store.queue.claim("test", 1, 60)
    stored = await store.environments.get(harness.key)
    assert stored is not None
    await store.environments.save(claim, replace(stored, status=ready))
    await store.queue.finish(claim)
    await harness.run()
    assert (await harness.status()).state is EnvironmentState.CHECKS_FAILED


def _reported_checks(harness: Harness) -> list[CheckState]:
    return [check.state for status in harness.github.reported for check in status.checks]


async def test_running_check_is_reported(harness: Harness) -> None:
    await harness.run()
    assert _reported_checks(harness) == [CheckState.RUNNING]


async def test_checks_run_while_reports_are_deferred(harness: Harness) -> None:
    harness.github.busy_until = harness.clock() + timedelta(hours=1)
    await harness.run()
    assert _reported_checks(harness) == []
    harness.gateway.answer = Answer(200)
    await harness.again()
    assert (await harness.status()).state is EnvironmentState.READY
    assert _reported_checks(harness) == [CheckState.PASSED]


async def test_deferred_check_is_reported_later(harness: Harness) -> None:
    harness.github.busy_until = harness.clock() + timedelta(seconds=5)
    await harness.run()
    harness.github.busy_until = None
    harness.clock.advance(5)
    await harness.again()
    assert _reported_checks(harness) == [CheckState.RUNNING]
