"""Reads `/metrics` of a running bot."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

_SWEEPS = ("resync", "expiry", "redelivery", "orphans")
_QUIET_LOOKS = 10


@dataclass(frozen=True)
class Snapshot:
    """All samples of one scrape."""

    values: Mapping[str, float]

    def total(self, name: str, *labels: str) -> float:
        """The sum of all samples of that name with these labels."""
        return sum(
            value
            for key, value in self.values.items()
            if key.partition("{")[0] == name and all(label in key for label in labels)
        )

    @property
    def rounds(self) -> float:
        """How often every sweep has run."""
        return min(self.total("greenroom_sweeps_total", f'sweep="{sweep}"') for sweep in _SWEEPS)

    @property
    def busy(self) -> bool:
        states = ('state="due"', 'state="running"')
        return any(self.total("greenroom_queue_depth", state) for state in states)

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """The samples of that name by the value of their only label."""
        prefix, suffix = f'{name}{{{label}="', '"}'
        return {
            key.removeprefix(prefix).removesuffix(suffix): value
            for key, value in self.values.items()
            if key.startswith(prefix)
        }


async def scrape(url: str) -> Snapshot:
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{url}/metrics", timeout=30)).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return Snapshot({name: float(value) for name, value in lines})


async def wait_for_sweeps(url: str, rounds: float = 1) -> Snapshot:
    """Returns once every sweep has run that often and the queue is empty."""
    while True:
        if (await scrape(url)).rounds >= rounds:
            return await wait_until_idle(url)
        await asyncio.sleep(0.2)


async def wait_for_state(url: str, metric: str, state: str) -> None:
    """Returns once an environment or a promotion is in the state."""
    while True:
        if (await scrape(url)).total(f"greenroom_{metric}", f'state="{state}"'):
            return
        await asyncio.sleep(0.2)


async def wait_until_idle(url: str) -> Snapshot:
    """Returns once nothing has been due or running for a second."""
    quiet = 0
    while True:
        snapshot = await scrape(url)
        quiet = 0 if snapshot.busy else quiet + 1
        if quiet == _QUIET_LOOKS:
            return snapshot
        await asyncio.sleep(0.1)
