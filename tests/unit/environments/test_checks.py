"""The named checks of a preview: run side by side, and told as far as there is room for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.environment import CheckState, EnvironmentState
from bot.model.manifest import Answer
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.peers import CONFIGURATION, Bench


@pytest.fixture
async def bench(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Bench]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    bench = Bench(store, clock)
    bench.github.configuration = CONFIGURATION + "preview: {checks: [{name: healthy, http: /healthz}]}\n"
    bench.gateway.answer = Answer(503)
    yield bench
    await store.close()


def _checks_told(bench: Bench) -> list[CheckState]:
    return [check.state for status in bench.github.told for check in status.checks]


async def test_a_check_that_takes_its_time_is_told_while_it_runs(bench: Bench) -> None:
    await bench.run()
    assert _checks_told(bench) == [CheckState.RUNNING]


async def test_checks_go_on_while_github_has_no_room_for_them(bench: Bench) -> None:
    bench.github.busy_until = bench.clock() + timedelta(hours=1)
    await bench.run()
    assert _checks_told(bench) == []
    bench.gateway.answer = Answer(200)
    await bench.again()
    assert (await bench.status()).state is EnvironmentState.READY
    assert _checks_told(bench) == [CheckState.PASSED]


async def test_what_was_not_told_is_told_when_there_is_room(bench: Bench) -> None:
    bench.github.busy_until = bench.clock() + timedelta(seconds=5)
    await bench.run()
    bench.github.busy_until = None
    bench.clock.advance(5)
    await bench.again()
    assert _checks_told(bench) == [CheckState.RUNNING]
