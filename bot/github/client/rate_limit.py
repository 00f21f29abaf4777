"""Rate limits of installations, and pacing of their writes."""

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
"""Average seconds between writes of one installation; GitHub's advice for its secondary limits."""
_BURST = 12
"""Writes without delay after an idle time. The maximum is 72 writes per minute; GitHub's limit for requests
that create content is 80."""
_RESERVED = 6
"""Burst tokens reserved for writes that must not be deferred."""
_LONGEST_WAIT = 10.0
"""Seconds. A write that would wait longer is deferred instead, also for a call that does not return."""
_RETRY = timedelta(seconds=5)
"""How soon a write that was deferred for a slow call is tried again."""


class RateLimits:
    """Rate limits reported by GitHub, by installation (None is the App)."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._until: dict[int | None, RateLimited] = {}

    def check(self, installation: int | None) -> None:
        """Raises RateLimited while the last reported limit holds, so that no request is sent."""
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
    """Time of the next write at the average rate."""


class WritePacer:
    """Token bucket per installation: a burst without delay, then one write per `_SPACING`, one at a time."""

    def __init__(
        self, clock: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._schedules: dict[int, _Schedule] = {}

    def require_capacity(self, installation: int) -> None:
        """Raises Unavailable when a write would use the reserved burst tokens."""
        now = self._monotonic()
        wait = _start_time(self._schedule(installation), now, _BURST - _RESERVED) - now
        if wait > 0:
            at = self._clock() + timedelta(seconds=wait)
            raise Unavailable("Deferred in favour of more urgent writes to GitHub.", at)

    @asynccontextmanager
    async def acquire(self, installation: int) -> AsyncIterator[None]:
        """Waits for the installation's next write; raises Unavailable when that takes too long."""
        schedule = self._schedule(installation)
        now = self._monotonic()
        start = _start_time(schedule, now)
        if start - now > _LONGEST_WAIT:
            at = self._clock() + timedelta(seconds=start - now)
            raise Unavailable("Deferred because too many writes to GitHub are pending.", at)
        schedule.due = max(schedule.due, now) + _SPACING
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                await schedule.lock.acquire()
        except TimeoutError:
            schedule.due -= _SPACING
            at = self._clock() + _RETRY
            raise Unavailable("Deferred because another write to GitHub does not return.", at) from None
        try:
            await asyncio.sleep(max(0.0, start - self._monotonic()))
            yield
        finally:
            schedule.lock.release()

    def _schedule(self, installation: int) -> _Schedule:
        return self._schedules.setdefault(installation, _Schedule())


def _start_time(schedule: _Schedule, now: float, burst: int = _BURST) -> float:
    """Time of the next write."""
    return max(now, schedule.due - (burst - 1) * _SPACING)
