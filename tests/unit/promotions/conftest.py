"""Fixtures for tests of the pure core."""

import pytest

from tests.unit.promotions.stage_fixtures import Stages


@pytest.fixture
def stages() -> Stages:
    return Stages()
