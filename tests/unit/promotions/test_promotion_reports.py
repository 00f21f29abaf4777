"""What is told of a promotion while much else is told to GitHub: what lasts, and in time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.simulation import RELEASES, Town


@pytest.fixture
async def town(store: Store, clock: ManualClock) -> Town:
    town = Town(store, clock)
    await town.begin()
    return town


async def _promote(town: Town, stage: str) -> None:
    await town.service.promote(town.requester("ada"), stage, RELEASES["a"].id)
    for _ in range(5):
        town.clock.advance(1)
        await town.work(20)


async def test_what_is_on_its_way_is_told_where_there_is_room(town: Town) -> None:
    await _promote(town, "integration")
    assert town.github.stories[0] == "deploying"
    assert "succeeded" in town.github.stories


async def test_it_does_not_wait_to_be_told_what_will_soon_be_something_else(town: Town) -> None:
    town.github.busy_until = town.clock() + timedelta(hours=1)
    await _promote(town, "integration")
    assert town.github.stories[0] == "succeeded"


async def test_what_somebody_has_to_do_is_told_however_busy_it_is(town: Town) -> None:
    await _promote(town, "integration")
    await _promote(town, "staging")
    town.github.stories.clear()
    town.github.busy_until = town.clock() + timedelta(hours=1)
    await _promote(town, "production")
    assert town.github.stories == ["awaiting approval"]
