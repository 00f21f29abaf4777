"""Fixtures and settings of all tests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.stores", "tests.kubernetes.plugin"]

# A busy machine is slow to find examples; that is not a failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncio, which Uvicorn, psycopg and the Kubernetes client need."""
    return "asyncio"
