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
_RESERVED = 6
"""So many of them are kept for what cannot wait."""
_LONGEST_WAIT = 10.0
"""Seconds. A write that would wait longer is put back into the queue instead."""


class RateLimits:
    """Rate limits that GitHub told, by installation (None: the App itself)."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._until: dict[int | None, RateLimited] = {}

    def check(self, installation: int | None) -> None:
        """Raises what GitHub said last while it still holds, so that nothing is sent meanwhile."""
        limited = self._until.get(installation)
        if limited is None:
            return
        if self._clock() < limited.until:
            raise RateLimited(str(limited), limited.until)
        del self._until[installation]

    def record(self, installation: int | None, limited: RateLimited) -> None:
        self._until[installation] = limited


@dataclass
class _Schedule:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    due: float = 0.0
    """When the next write would be due if they came exactly one spacing apart."""


class WritePacer:
    """Gives out turns to write: one at a time for an installation, a burst at once, then spaced."""

    def __init__(
        self, clock: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._schedules: dict[int, _Schedule] = {}

    def require_capacity(self, installation: int) -> None:
        """Raises TryAgain where a write would leave too few turns for what cannot wait."""
        now = self._monotonic()
        wait = _start_time(self._schedule(installation), now, _BURST - _RESERVED) - now
        if wait > 0:
            at = self._clock() + timedelta(seconds=wait)
            raise Unavailable("Other things are told to GitHub first.", at)

    @asynccontextmanager
    async def acquire(self, installation: int) -> AsyncIterator[None]:
        """Raises TryAgain instead of waiting long."""
        lane = self._schedule(installation)
        now = self._monotonic()
        start = _start_time(lane, now)
        if start - now > _LONGEST_WAIT:
            at = self._clock() + timedelta(seconds=start - now)
            raise Unavailable("Too much is being written to GitHub at once; this waits for its turn.", at)
        lane.due = max(lane.due, now) + _SPACING
        async with lane.lock:
            await asyncio.sleep(max(0.0, start - self._monotonic()))
            yield

    def _schedule(self, installation: int) -> _Schedule:
        return self._schedules.setdefault(installation, _Schedule())


def _start_time(lane: _Schedule, now: float, burst: int = _BURST) -> float:
    """When the next write has its turn."""
    return max(now, lane.due - (burst - 1) * _SPACING)
