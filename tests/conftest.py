"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.stores", "tests.kubernetes.plugin"]

# How fast a busy machine finds examples says nothing of the product.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Everything runs on asyncio: Uvicorn, psycopg and the Kubernetes client need it."""
    return "asyncio"
