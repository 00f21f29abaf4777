"""What a running bot tells of itself on `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

_SWEEPS = ("resync", "expiry", "redelivery", "orphans")
_QUIET_LOOKS = 10


@dataclass(frozen=True)
class Numbers:
    """All of them at one moment."""

    values: Mapping[str, float]

    def total(self, name: str, *labels: str) -> float:
        """The sum over everything of that name that has these labels."""
        return sum(
            value
            for key, value in self.values.items()
            if key.partition("{")[0] == name and all(label in key for label in labels)
        )

    @property
    def rounds(self) -> float:
        """How often every sweep ran."""
        return min(self.total("greenroom_sweeps_total", f'sweep="{sweep}"') for sweep in _SWEEPS)

    @property
    def busy(self) -> bool:
        states = ('state="due"', 'state="running"')
        return any(self.total("greenroom_queue_depth", state) for state in states)


async def numbers(url: str) -> Numbers:
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{url}/metrics", timeout=30)).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return Numbers({name: float(value) for name, value in lines})


async def swept(url: str, rounds: float = 1) -> Numbers:
    """Once every sweep ran so often, and what they asked for is done."""
    while True:
        if (await numbers(url)).rounds >= rounds:
            return await at_rest(url)
        await asyncio.sleep(0.2)


async def at_rest(url: str) -> Numbers:
    """Once nothing runs or is due, and that stayed so for a second."""
    quiet = 0
    while True:
        found = await numbers(url)
        quiet = 0 if found.busy else quiet + 1
        if quiet == _QUIET_LOOKS:
            return found
        await asyncio.sleep(0.1)
