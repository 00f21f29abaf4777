"""Every error of a registry is a wait and never final."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.embedded.registry import RegistryServer
from bot.embedded.registry.faults import Fault
from bot.model.ci import Ci, CiState
from bot.model.environment import EnvironmentState
from bot.model.errors import Unavailable
from bot.model.repository import Repository
from bot.registry.client import RegistryClient
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import DIGEST, FakeGitHub, Harness

State = EnvironmentState


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    yield Harness(store, clock)
    await store.close()


async def error_for(fault: Fault | None, folder: Path) -> Unavailable:
    """What the client raises for the response of a registry; for None there is no registry."""
    allowed = RegistryClient(allowed_hosts=["127.0.0.1"])
    async with RegistryServer(folder) as registry, allowed as client:
        if fault is not None:
            registry.faults.active.append(fault)
        host = registry.host if fault is not None else "127.0.0.1:1"
        with pytest.raises(Unavailable) as raised:
            await client.resolve(f"{host}/acme/shop", "abc")
        return raised.value


FAULTS = [Fault(path="/v2/", status=status, times=2) for status in (401, 403, 429, 500, 503)]
FAULTS.append(Fault(path="/v2/", drop=True, times=2))


@pytest.mark.parametrize("fault", [*FAULTS, None], ids=lambda fault: str(fault.status if fault else fault))
async def test_registry_error_is_a_wait_that_ends(
    harness: Harness, tmp_path: Path, fault: Fault | None
) -> None:
    error = harness.registry.error = await error_for(fault, tmp_path)
    await harness.run()
    status = harness.github.reported[-1]
    assert (status.state, status.cause is not None and status.cause.until) == (
        State.WAITING,
        harness.clock.now + timedelta(hours=1),
    )
    assert status.cause is not None
    assert status.cause.summary == f"Waiting for the image: {error}."

    harness.registry.error = None
    harness.clock.advance(3600)
    await harness.again()
    assert (await harness.status()).state is State.READY


async def test_lasting_registry_error_is_reported_and_retried(harness: Harness) -> None:
    harness.registry.error = Unavailable("the registry denies access")
    await harness.run()
    harness.clock.advance(3600)
    await harness.again()
    status = await harness.status()
    assert status.state is State.FAILED
    assert status.cause is not None
    assert status.cause.summary == "Timed out. Waiting for the image: the registry denies access."
    harness.registry.error = None
    harness.clock.advance(60)
    await harness.again()
    assert (await harness.status()).state is State.READY


async def test_denied_access_and_failed_ci_are_both_named(harness: Harness) -> None:
    class FailedCi(FakeGitHub):
        async def ci(self, repository: Repository, commit: str) -> Ci:
            return Ci(CiState.FAILED, ("build",))

    failing = FailedCi()
    harness.github.ci = failing.ci  # type: ignore[method-assign]  # the port holds this object
    harness.registry.error = Unavailable("the registry denies access")
    await harness.run()
    status = await harness.status()
    assert status.state is State.WAITING
    assert status.cause is not None
    assert "denies access. CI failed for this commit (build)." in status.cause.summary
    harness.registry.error, harness.registry.digest = None, None
    harness.clock.advance(60)
    await harness.again()
    assert (await harness.status()).state is State.FAILED, "the image is missing and CI failed"
    harness.registry.digest = DIGEST
    await harness.run()
    assert (await harness.status()).state is State.READY
