"""Events and logs of a failure are kept without secrets, once, and not where the repository refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.environments.handler import EnvironmentHandler
from bot.environments.policy import Policy
from bot.model.attempt import DeploymentAttempt
from bot.model.diagnostics import Event, LogTail, NamespaceDiagnostics
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.errors import Rejected
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import CONFIGURATION, Harness

SECRET = "sk_live_0123456789"


class Diagnostics:
    def __init__(self) -> None:
        self.reads = 0
        self.result = NamespaceDiagnostics(
            (Event(None, "Pod shop", "BackOff", f"key {SECRET}", True),),
            (LogTail("shop", "web", f"starting\nKeyError with {SECRET}"),),
        )

    async def look(self, namespace: str, environment: EnvironmentKey, lines: int) -> NamespaceDiagnostics:
        self.reads += 1
        return self.result


@pytest.fixture
def diagnostics() -> Diagnostics:
    return Diagnostics()


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock, diagnostics: Diagnostics) -> AsyncIterator[Harness]:
    """A preview with a secret whose workload fails."""
    store = await new_store(tmp_path / "greenroom.db", clock)
    harness = Harness(store, clock)
    harness.reconciler = EnvironmentHandler(replace(harness.ports, diagnostics=diagnostics), Policy())
    harness.secrets.values["KEY"] = SECRET
    harness.github.configuration = CONFIGURATION + "preview: {secrets: {KEY: 'env:KEY'}}\n"
    harness.cluster.error = Rejected("The container is crash-looping.")
    yield harness
    await store.close()


async def fail(harness: Harness) -> DeploymentAttempt:
    for _ in range(4):
        await harness.run()
    assert (await harness.status()).state is EnvironmentState.FAILED
    [attempt] = await harness.store.attempts.of_environment(harness.key, 9)
    stored = await harness.store.attempts.get(harness.key, attempt.started_at)
    assert stored is not None
    return stored


async def test_failure_is_kept_once_without_secrets(harness: Harness, diagnostics: Diagnostics) -> None:
    stored = await fail(harness)
    assert diagnostics.reads == 1
    assert stored.failure is not None
    assert stored.failure.logs == (LogTail("shop", "web", "starting\nKeyError with [hidden]"),)
    assert stored.failure.events[0].message == "key [hidden]"
    assert stored.status.cause is not None


async def test_repository_can_refuse(harness: Harness, diagnostics: Diagnostics) -> None:
    assert harness.github.configuration is not None
    harness.github.configuration += "keep_failure_logs: false\n"
    assert (await fail(harness)).failure is None
    assert diagnostics.reads == 0


async def test_unreadable_namespace_keeps_nothing(harness: Harness, diagnostics: Diagnostics) -> None:
    diagnostics.result = NamespaceDiagnostics(unavailable="The cluster does not respond.")
    assert (await fail(harness)).failure is None
