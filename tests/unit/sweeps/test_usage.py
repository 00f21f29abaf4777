"""The sweep that counts requests and lets unused previews sleep, with a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.environment import Environment, EnvironmentKey, EnvironmentState
from bot.model.errors import Unavailable
from bot.model.load import Load
from bot.model.manifest import Bundle, RenderRequest
from bot.model.quota import Caps
from bot.model.rollout import Backend
from bot.model.sleep import Sleep, SleepCause
from bot.model.usage import Usage
from bot.sweeps.usage import UsagePorts, UsageSweep
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import CONFIGURATION, FakeCluster, Harness

HOUR = 3600
BACKEND = Backend("shop", 80)


class LoadedCluster(FakeCluster):
    """Its releases request half a core and 2 GiB, and have one Service behind a route."""

    async def render(self, request: RenderRequest) -> Bundle:
        load = Load() if request.asleep else Load(0.5, 2.0, (BACKEND,))
        return replace(await super().render(request), load=load)


class Gateway:
    """Counts of requests that a test sets."""

    def __init__(self) -> None:
        self.count = 1
        self.unavailable = False
        self.asked: Mapping[EnvironmentKey, tuple[str, Sequence[Backend]]] = {}

    async def requests(
        self, routes: Mapping[EnvironmentKey, tuple[str, Sequence[Backend]]]
    ) -> Mapping[EnvironmentKey, Mapping[str, int]]:
        if self.unavailable:
            raise Unavailable("it does not answer")
        self.asked = routes
        return {key: {"10.0.0.1": self.count} for key in routes}


class Telemetry:
    def swept(self, sweep: str, enqueued: int) -> None: ...

    def breaker_tripped(self, sweep: str) -> None: ...


class Swept:
    """A ready preview, the gateway and the sweep."""

    def __init__(self, harness: Harness, gateways: Mapping[str, Gateway], caps: Caps | None) -> None:
        self.harness = harness
        store = harness.store
        ports = UsagePorts(store.environments, store.environments, store.usages, store.environments, gateways)
        self.sweep = UsageSweep(ports, caps, harness.clock, Telemetry())

    async def after(self, hours: float) -> Environment:
        """Runs the sweep when the time has passed, and the reconcile that follows."""
        self.harness.clock.advance(hours * HOUR)
        await self.sweep()
        await self.harness.again()
        return await self.harness.environment()


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    harness = Harness(store, clock, LoadedCluster())
    harness.github.configuration = f"{CONFIGURATION}preview: {{sleep_after: 2h}}\n"
    yield harness
    await store.close()


async def test_preview_without_requests_sleeps_and_what_it_requested_is_kept(harness: Harness) -> None:
    await harness.run()
    gateway = Gateway()
    swept = Swept(harness, {"default": gateway}, None)
    assert (await swept.after(1)).status.state is EnvironmentState.READY
    assert gateway.asked[harness.key][1] == (BACKEND,)
    assert (await swept.after(1.5)).status.state is EnvironmentState.READY
    asleep = await swept.after(0.6)
    assert asleep.status.state is EnvironmentState.ASLEEP
    assert asleep.overrides.sleep is not None
    assert asleep.overrides.sleep.cause is SleepCause.IDLE
    await swept.after(5)
    usage = await harness.store.usages.get(harness.key)
    assert usage is not None
    assert usage.core_hours == pytest.approx(3.1 * 0.5, abs=0.02)
    assert usage.gibibyte_hours == pytest.approx(3.1 * 2.0, abs=0.05)
    assert usage.cores == 0


async def test_preview_with_requests_stays_awake(harness: Harness) -> None:
    await harness.run()
    gateway = Gateway()
    swept = Swept(harness, {"default": gateway}, None)
    for _ in range(5):
        gateway.count += 1
        assert (await swept.after(1.5)).status.state is EnvironmentState.READY


async def test_preview_whose_requests_cannot_be_counted_stays_awake(harness: Harness) -> None:
    await harness.run()
    gateway = Gateway()
    gateway.unavailable = True
    assert (await Swept(harness, {"default": gateway}, None).after(9)).status.state is EnvironmentState.READY
    assert (await Swept(harness, {}, None).after(9)).status.state is EnvironmentState.READY


async def test_failed_preview_does_not_sleep(harness: Harness) -> None:
    harness.github.configuration = (
        f"{CONFIGURATION}preview: {{sleep_after: 2h, secrets: {{KEY: env:NONE}}}}\n"
    )
    await harness.run()
    environment = await Swept(harness, {"default": Gateway()}, None).after(9)
    assert environment.status.state is EnvironmentState.FAILED


async def test_request_to_sleep_of_an_earlier_head_is_dropped(harness: Harness) -> None:
    await harness.run()
    await harness.override(sleep=Sleep("a" * 40, by="ada"))
    harness.pull(head_sha="b" * 40)
    await harness.run()
    swept = Swept(harness, {}, None)
    assert (await swept.after(0.1)).overrides.sleep is None
    harness.pull(head_sha="a" * 40)
    await harness.run()
    assert (await harness.status()).state is EnvironmentState.READY


async def test_preview_that_changed_since_it_was_read_is_not_put_to_sleep(harness: Harness) -> None:
    await harness.run()
    read = await harness.environment()
    await harness.hint()
    assert not await harness.store.environments.put_to_sleep(read, Sleep("a" * 40, SleepCause.IDLE))
    assert (await harness.environment()).overrides.sleep is None


async def test_only_a_sleeping_preview_is_woken(harness: Harness) -> None:
    await harness.run()
    wake = harness.store.environments.wake
    assert not await wake(harness.key, "A request woke the preview.")
    await harness.override(sleep=Sleep("a" * 40, by="ada"))
    assert await wake(harness.key, "A request woke the preview.")
    assert not await wake(harness.key, "A request woke the preview.")
    await harness.again()
    assert (await harness.status()).state is EnvironmentState.READY
    assert ("asked", "A request woke the preview.") in await harness.journal()


async def test_usage_of_a_purged_environment_is_deleted(harness: Harness) -> None:
    stale = Usage(EnvironmentKey.preview(7, 99), harness.clock())
    await harness.store.usages.save([stale])
    await Swept(harness, {}, None).sweep()
    assert await harness.store.usages.get(stale.key) is None
