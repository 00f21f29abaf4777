"""An embedded API server, and a client that is allowed in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from bot.embedded.kubernetes import KubernetesServer


@pytest.fixture
async def server() -> AsyncIterator[KubernetesServer]:
    async with KubernetesServer(history=20) as running:
        yield running


@pytest.fixture
async def http(server: KubernetesServer) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=5) as client:
        yield client
