"""Reports about a promotion while other writes to GitHub are deferred."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.simulation import RELEASES, PromotionSimulation


@pytest.fixture
async def simulation(store: Store, clock: ManualClock) -> PromotionSimulation:
    simulation = PromotionSimulation(store, clock)
    await simulation.begin()
    return simulation


async def _promote(simulation: PromotionSimulation, stage: str) -> None:
    await simulation.service.promote(simulation.requester("ada"), stage, RELEASES["a"].id)
    for _ in range(5):
        simulation.clock.advance(1)
        await simulation.work(20)


async def test_progress_is_reported_without_other_writes(simulation: PromotionSimulation) -> None:
    await _promote(simulation, "integration")
    assert simulation.github.reports[0] == "deploying"
    assert "succeeded" in simulation.github.reports


async def test_progress_is_skipped_while_writes_are_deferred(simulation: PromotionSimulation) -> None:
    simulation.github.busy_until = simulation.clock() + timedelta(hours=1)
    await _promote(simulation, "integration")
    assert simulation.github.reports[0] == "succeeded"


async def test_required_approval_is_always_reported(simulation: PromotionSimulation) -> None:
    await _promote(simulation, "integration")
    await _promote(simulation, "staging")
    simulation.github.reports.clear()
    simulation.github.busy_until = simulation.clock() + timedelta(hours=1)
    await _promote(simulation, "production")
    assert simulation.github.reports == ["awaiting approval"]
