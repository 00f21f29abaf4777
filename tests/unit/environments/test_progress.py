"""Progress gives way to results on GitHub, and what was overtaken is never written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.model.environment import EnvironmentState
from bot.model.manifest import Condition, ObjectState, Wave
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.fakes import DIGEST, Harness

_DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": "shop"}}
_ROLLING = ObjectState("Deployment", "shop", Condition.PROGRESSING, "0 of 1 pods are ready")


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    harness = Harness(store, clock)
    harness.cluster.waves = {Wave.WORKLOADS: (_DEPLOYMENT,)}
    harness.cluster.states = {"shop": _ROLLING}
    yield harness
    await store.close()


def _reported(harness: Harness) -> list[tuple[str, str]]:
    return [
        (status.state.value, status.cause.summary.partition(" acme/")[0] if status.cause else "")
        for status in harness.github.reported
    ]


async def test_each_news_is_written_once_and_a_wait_that_is_over_never(harness: Harness) -> None:
    harness.registry.digest = None
    await harness.run()
    assert _reported(harness) == [("waiting", "Waiting for the image")], "not also that it starts"
    harness.registry.digest = DIGEST
    await harness.again()
    assert _reported(harness)[1:] == [("pending", "")], "the rollout runs: CI is no longer running"
    await harness.again()
    assert len(_reported(harness)) == 2
    harness.cluster.states = {}
    await harness.again()
    assert _reported(harness)[2:] == [("ready", "")]


async def test_deferred_progress_holds_up_no_phase_and_no_result(harness: Harness) -> None:
    harness.github.busy_until = harness.clock() + timedelta(hours=1)
    await harness.run()
    assert harness.cluster.applied == 1
    assert _reported(harness) == []
    harness.cluster.states = {}
    await harness.again()
    assert _reported(harness) == [("ready", "")]
    assert (await harness.status()).state is EnvironmentState.READY


async def test_deferred_progress_shows_the_state_of_its_turn(harness: Harness) -> None:
    harness.registry.digest = None
    harness.github.busy_until = harness.clock() + timedelta(seconds=5)
    await harness.run()
    assert _reported(harness) == []
    harness.registry.digest, harness.github.busy_until = DIGEST, None
    await harness.again()
    assert _reported(harness) == [("pending", "")]


@pytest.mark.parametrize("blocked", [True, False])
async def test_what_blocks_a_rollout_is_reported_within_seconds(harness: Harness, blocked: bool) -> None:
    harness.cluster.states = {"shop": replace(_ROLLING, message="Insufficient cpu", blocked=blocked)}
    await harness.run()
    assert [status.state for status in harness.github.reported] == [EnvironmentState.PENDING]
    await harness.again()
    shown = EnvironmentState.WAITING if blocked else EnvironmentState.PENDING
    assert harness.github.reported[-1].state is shown


async def test_failed_object_that_may_recover_is_read_again(harness: Harness) -> None:
    recovers_at = harness.clock() + timedelta(seconds=70)
    failed = replace(_ROLLING, condition=Condition.FAILED, message="crash-looping", recovers_at=recovers_at)
    harness.cluster.states = {"shop": failed}
    await harness.run()
    harness.cluster.states = {}
    await harness.again()
    assert (await harness.status()).state is EnvironmentState.FAILED, "nothing is due yet"
    harness.clock.advance(70)
    await harness.again()
    assert (await harness.status()).state is EnvironmentState.READY


async def test_each_change_of_an_environment_is_one_line_of_the_log(harness: Harness) -> None:
    with capture_logs() as lines:
        await harness.run()
        await harness.again()
        harness.cluster.states = {}
        await harness.again()
        failed = replace(_ROLLING, condition=Condition.FAILED, message="exit code 3")
        harness.cluster.states = {"shop": failed}
        await harness.run()
        harness.pull(head_sha="b" * 40)
        await harness.run()
        harness.pull(head_sha="b" * 40, open=False)
        await harness.run()
        await harness.again()
    changes = [line for line in lines if line["event"] == "environment changed"]
    actions = [line["action"] for line in changes]
    assert actions == ["opened", "ready", "failed", "superseded", "updating", "failed", "deleting", "gone"]
    assert {line["log_level"] for line in changes} == {"info"}
    assert "exit code 3" in changes[2]["reason"]
