"""`greenroom serve` under a flood of requests that never end, without a valid signature."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.bench.flood import resident_bytes
from tests.flood import KINDS, MIB, Flood
from tests.unit.cli.conftest import Bot
from tests.webhooks import signed

pytestmark = [pytest.mark.fault, pytest.mark.skipif(not Path("/proc").exists(), reason="measures by /proc")]

CONNECTIONS = 200
SECONDS = 13.0
"""Longer than the deadline of a header."""
MEMORY = 150 * MIB


@pytest.mark.parametrize("kinds", [*([kind] for kind in KINDS), list(KINDS)], ids="+".join)
async def test_flood_of_unfinished_requests_neither_fills_memory_nor_stops_health(
    bot: Bot, settings: dict[str, str], kinds: list[str]
) -> None:
    url, pid = await bot.url(), bot.process.pid
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get("/healthz")).status_code == 200
        before, most = resident_bytes(pid), 0
        async with AsyncExitStack() as stack:
            floods = [
                await stack.enter_async_context(
                    Flood(int(url.rpartition(":")[2]), KINDS[kind], CONNECTIONS // len(kinds))
                )
                for kind in kinds
            ]
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                assert (await client.get("/healthz", timeout=10)).status_code == 200
                most = max(most, resident_bytes(pid))
                await asyncio.sleep(0.05)
            webhook = signed("ping", b"{}", "guid-1", settings["GREENROOM_WEBHOOK_SECRET"])
            answer = await client.post("/webhooks", content=webhook.body, headers=webhook.headers)
            assert answer.status_code == 202, "a signed delivery passes"
    assert most - before < MEMORY, f"{(most - before) / MIB:.0f} MiB more"
    for kind, flood in zip(kinds, floods, strict=True):
        if "headers" in kind:
            assert flood.ended >= CONNECTIONS // len(kinds), "the deadline of a header ended each of them"
