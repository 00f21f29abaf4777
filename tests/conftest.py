"""What all tests share."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.stores", "tests.kubernetes.plugin"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Everything runs on asyncio: Uvicorn, psycopg and the Kubernetes client need it."""
    return "asyncio"
