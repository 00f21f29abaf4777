"""Requests of users to a stage, in the background of a story."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from bot.model.naming import host_label
from tests.story.stages import Stages

_PAUSE_SECONDS = 0.02


@dataclass
class Traffic:
    """What users got so far, by status and by body."""

    statuses: Counter[int] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    last: dict[int, datetime] = field(default_factory=dict)
    """When users got a status for the last time."""


@contextlib.asynccontextmanager
async def traffic(stages: Stages, stage: str, path: str = "/") -> AsyncIterator[Traffic]:
    """Sends requests through the gateway until the block ends."""
    seen = Traffic()
    world = stages.scenario.world
    label = host_label(stages.key(stage), stages.repository)
    headers = {"Host": f"{label}.localhost:{world.gateway_port}"}
    url = f"http://{world.gateway_address}{path}"

    async def send() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            while True:
                try:
                    answer = await client.get(url, headers=headers)
                except httpx.HTTPError as error:
                    seen.failures.append(repr(error))
                else:
                    seen.statuses[answer.status_code] += 1
                    seen.last[answer.status_code] = datetime.now(UTC)
                    seen.bodies[answer.text] += 1
                await asyncio.sleep(_PAUSE_SECONDS)

    sending = asyncio.create_task(send())
    try:
        yield seen
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
