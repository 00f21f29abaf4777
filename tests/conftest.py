"""Fixtures and settings of all tests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.stores", "tests.kubernetes.plugin"]

# A busy machine is slow to find examples; that is not a failure. The examples of `make test` depend on the
# tests alone, so that a change passes or fails by what it changes; `make soak` draws new ones each time.
settings.register_profile(
    "soak", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=1000
)
settings.register_profile("repeatable", settings.get_profile("soak"), max_examples=50, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncio, which Uvicorn, psycopg and the Kubernetes client need."""
    return "asyncio"
