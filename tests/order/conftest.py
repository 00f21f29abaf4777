from __future__ import annotations

from pathlib import Path

import pytest

from bot.store import Store
from tests.order.stage import Stage
from tests.stores import ManualClock


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'greenroom.db'}"


@pytest.fixture
def stage(store: Store, clock: ManualClock) -> Stage:
    return Stage(store, clock)
