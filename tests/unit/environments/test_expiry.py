"""A preview expires after its time to live, with a warning before."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.environments.expiry import apply_extension, start
from bot.environments.policy import Policy
from bot.model.environment import EnvironmentKey, EnvironmentState, Status, UserOverrides
from bot.sweeps.expiry import needs_warning
from tests.stores import ManualClock, new_store
from tests.unit.environments.simulation import SHOP, Simulation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
READY = Status(EnvironmentState.READY)


@pytest.mark.parametrize(
    ("time_to_live", "warning"), [(4 * HOUR, HOUR), (2 * DAY, 12 * HOUR), (14 * DAY, DAY)]
)
def test_warning_covers_last_quarter_up_to_a_day(time_to_live: timedelta, warning: timedelta) -> None:
    status = start(READY, NOW, time_to_live)
    assert status.expires_at == NOW + time_to_live
    assert not apply_extension(status, UserOverrides(), NOW + time_to_live - warning - HOUR / 60).expiring
    assert apply_extension(status, UserOverrides(), NOW + time_to_live - warning).expiring


def test_extension_moves_deadline_and_warning() -> None:
    status = start(READY, NOW, 3 * DAY)
    overrides = UserOverrides(extended_until=NOW + 5 * DAY)
    extended = apply_extension(status, overrides, NOW + 2.5 * DAY)
    assert (extended.expires_at, extended.expiring) == (NOW + 5 * DAY, False)
    assert apply_extension(extended, overrides, NOW + 4.5 * DAY).expiring


def test_shorter_extension_changes_nothing() -> None:
    status = start(READY, NOW, 3 * DAY)
    assert apply_extension(status, UserOverrides(extended_until=NOW + DAY), NOW).expires_at == NOW + 3 * DAY


@pytest.fixture
async def simulation(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Simulation]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    yield Simulation(store, clock, Policy())
    await store.close()


async def test_preview_is_warned_expires_and_is_restored_by_a_push(
    simulation: Simulation,
) -> None:
    await simulation.open(1)
    await simulation.pass_time(DAY)
    assert not simulation.github.statuses[1].expiring
    await simulation.pass_time(1.5 * DAY)
    assert simulation.github.statuses[1].expiring
    assert simulation.reported(1) == "ready"
    await simulation.pass_time(DAY / 2)
    assert simulation.reported(1) == "gone: The preview expired. A push or `/preview` creates it again."
    assert simulation.cluster.namespaces == {}
    assert await simulation.journal(1) == ["opened", "ready", "expiring", "deleting", "gone"]
    await simulation.change(1, head_sha="b" * 40)
    assert simulation.reported(1) == "ready"
    assert not simulation.github.statuses[1].expiring


async def test_preview_is_warned_once(simulation: Simulation) -> None:
    await simulation.open(1)
    for _ in range(3):
        await simulation.pass_time(0.8 * DAY)
    assert (await simulation.journal(1)).count("expiring") == 1
    assert not needs_warning(await simulation.record(1), simulation.clock())


async def test_late_extension_keeps_the_preview(simulation: Simulation) -> None:
    await simulation.open(1)
    await simulation.pass_time(2.9 * DAY)
    until = simulation.clock() + 2 * DAY
    key = EnvironmentKey.preview(SHOP.id, 1)
    simulation.clock.advance((0.2 * DAY).total_seconds())
    await simulation.store.environments.update_overrides(
        key, lambda overrides: replace(overrides, extended_until=until), "/extend", "ada"
    )
    await simulation.pass_time(timedelta())
    assert simulation.reported(1) == "ready"
    assert not simulation.github.statuses[1].expiring
    await simulation.pass_time(2 * DAY)
    assert simulation.reported(1).startswith("gone: The preview expired.")
