"""An opened pull request takes few transactions: saved before outward writes and at the end of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.environments.ports import Fence, SaveReceipt
from bot.model.environment import Environment, EnvironmentState, Status
from bot.model.manifest import Condition, ObjectState, Wave
from bot.model.pull_request import PullRequest
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import DIGEST, FakeGitHub, Harness

LIMIT = 10


class WritingGitHub(FakeGitHub):
    """Saves a receipt before and after each report, and checks the fence before each write."""

    async def report(
        self,
        environment: Environment,
        pull: PullRequest,
        status: Status,
        fence: Fence,
        save: SaveReceipt,
        *,
        deferrable: bool = False,
    ) -> None:
        sent = repr((status.state, status.cause, status.checks))
        if environment.receipt == sent:
            return
        await save(f"sending {sent}")
        for _ in ("Deployment", "check run", "comment"):
            await fence()
        await save(sent)
        self.reported.append(status)


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    harness = Harness(store, clock, github=WritingGitHub())
    harness.cluster.waves = {
        wave: ({"kind": "Object", "metadata": {"name": wave.value}},)
        for wave in (Wave.CONFIGURATION, Wave.WORKLOADS, Wave.ROUTE)
    }
    yield harness
    await store.close()


async def test_opened_pull_request_with_its_image(harness: Harness) -> None:
    await _opened(harness)
    counted = harness.store.transactions.total()
    assert (await harness.status()).state is EnvironmentState.READY
    assert counted <= 7


async def test_opened_pull_request_that_waits_for_ci(harness: Harness) -> None:
    harness.registry.digest = None
    await _opened(harness)
    harness.registry.digest = DIGEST
    await harness.again()
    counted = harness.store.transactions.total()
    assert (await harness.status()).state is EnvironmentState.READY
    assert counted <= LIMIT


async def test_opened_pull_request_that_waits_for_its_pods(harness: Harness) -> None:
    pods = ObjectState("Object", Wave.WORKLOADS.value, Condition.PROGRESSING, "0 of 1 pods are ready")
    harness.cluster.states = {Wave.WORKLOADS.value: pods}
    await _opened(harness)
    harness.cluster.states = {}
    await harness.again()
    counted = harness.store.transactions.total()
    assert (await harness.status()).state is EnvironmentState.READY
    assert counted <= LIMIT


async def _opened(harness: Harness) -> None:
    """Counts from the claim of the environment's key."""
    await harness.hint()
    harness.store.transactions.clear()
    await harness.again()
