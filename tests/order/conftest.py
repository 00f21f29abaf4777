from __future__ import annotations

from pathlib import Path

import pytest

from bot.store import Store
from tests.order.simulation import Simulation
from tests.stores import ManualClock


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'greenroom.db'}"


@pytest.fixture
def simulation(store: Store, clock: ManualClock) -> Simulation:
    return Simulation(store, clock)
