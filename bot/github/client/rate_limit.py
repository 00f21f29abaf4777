"""How fast one installation is spoken to: its rate limit is remembered, and its writes go one by one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.github.client.failures import RateLimited
from bot.model.errors import Unavailable

_SPACING = 1.0
"""Seconds between writes of one installation, on average: GitHub's advice against its secondary limits."""
_BURST = 12
"""Writes that may follow each other at once after a quiet time. With those that are spaced it makes 72 in the
busiest minute; GitHub's limit for what makes content is 80."""
_SPARED = 6
"""So many of them are kept for what cannot wait."""
_LONGEST_WAIT = 10.0
"""Seconds. A write that would wait longer is put back into the queue instead."""


class Pauses:
    """Rate limits that GitHub told, by installation (None: the App itself)."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._until: dict[int | None, RateLimited] = {}

    def check(self, installation: int | None) -> None:
        """Raises what GitHub said last while it still holds, so that nothing is sent meanwhile."""
        known = self._until.get(installation)
        if known is None:
            return
        if self._clock() < known.until:
            raise RateLimited(str(known), known.until)
        del self._until[installation]

    def remember(self, installation: int | None, limited: RateLimited) -> None:
        self._until[installation] = limited


@dataclass
class _Lane:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    due: float = 0.0
    """When the next write would be due if they came exactly one spacing apart."""


class Pacer:
    """Gives out turns to write: one at a time for an installation, a burst at once, then spaced."""

    def __init__(
        self, clock: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._lanes: dict[int, _Lane] = {}

    def make_way(self, installation: int) -> None:
        """Raises TryAgain where a write would leave too few turns for what cannot wait."""
        now = self._monotonic()
        wait = _start(self._lane(installation), now, _BURST - _SPARED) - now
        if wait > 0:
            at = self._clock() + timedelta(seconds=wait)
            raise Unavailable("Other things are told to GitHub first.", at)

    @asynccontextmanager
    async def turn(self, installation: int) -> AsyncIterator[None]:
        """Raises TryAgain instead of waiting long."""
        lane = self._lane(installation)
        now = self._monotonic()
        start = _start(lane, now)
        if start - now > _LONGEST_WAIT:
            at = self._clock() + timedelta(seconds=start - now)
            raise Unavailable("Too much is being written to GitHub at once; this waits for its turn.", at)
        lane.due = max(lane.due, now) + _SPACING
        async with lane.lock:
            await asyncio.sleep(max(0.0, start - self._monotonic()))
            yield

    def _lane(self, installation: int) -> _Lane:
        return self._lanes.setdefault(installation, _Lane())


def _start(lane: _Lane, now: float, burst: int = _BURST) -> float:
    """When the next write has its turn."""
    return max(now, lane.due - (burst - 1) * _SPACING)
