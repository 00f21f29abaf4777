"""Rate limits of installations, and pacing of their writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.github.client.failures import RateLimited
from bot.model.errors import Deferred

_SPACING = 1.0
"""Average seconds between writes of one installation; GitHub's advice for its secondary limits."""
_BURST = 12
"""Writes without delay after an idle time. The maximum is 72 writes per minute; GitHub's limit for requests
that create content is 80."""
_RESERVED = 6
"""Burst tokens reserved for writes that must not be deferred."""
_LONGEST_WAIT = 3.0
"""Seconds. A write whose turn comes later is deferred: it is planned again then, so that nothing is written
that was overtaken while it waited."""
_LONGEST_CALL = 10.0
"""Seconds to wait for another write that does not return."""
_RETRY = timedelta(seconds=5)
"""How soon a write that was deferred for a slow call is tried again."""
_UNUSED = 60.0
"""Seconds after which an unused turn expires."""


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
    turns: dict[str, float] = field(default_factory=dict)
    """Start times that deferred writers have reserved."""

    def start(self, now: float, burst: int = _BURST) -> float:
        """Time of the next write."""
        return max(now, self.due - (burst - 1) * _SPACING)

    def take(self, writer: str, now: float) -> float:
        """The writer's start time: the reserved one, or the next."""
        self.turns = {other: start for other, start in self.turns.items() if start > now - _UNUSED}
        reserved = self.turns.pop(writer, None)
        if reserved is not None:
            return reserved
        start = self.start(now)
        self.count(now)
        return start

    def count(self, now: float) -> None:
        self.due = max(self.due, now) + _SPACING


class WritePacer:
    """Token bucket per installation: a burst without delay, then one write per `_SPACING`, one at a time."""

    def __init__(
        self, clock: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._schedules: dict[int, _Schedule] = {}

    def require_capacity(self, installation: int) -> None:
        """Raises Deferred when a write would use the reserved burst tokens."""
        now = self._monotonic()
        wait = self._schedule(installation).start(now, _BURST - _RESERVED) - now
        if wait > 0:
            at = self._clock() + timedelta(seconds=wait)
            raise Deferred("Deferred in favour of more urgent writes to GitHub.", at)

    @asynccontextmanager
    async def acquire(
        self, installation: int, writer: str, *, continues: bool = False
    ) -> AsyncIterator[None]:
        """Waits for the writer's turn; raises Deferred when that takes too long, and keeps the turn for it.

        `continues`: the write completes what another one began, so it does not wait for a turn.
        """
        schedule = self._schedule(installation)
        now = start = self._monotonic()
        if continues:
            schedule.count(now)
        else:
            start = schedule.take(writer, now)
        if start - now > _LONGEST_WAIT:
            schedule.turns[writer] = start
            at = self._clock() + timedelta(seconds=start - now)
            raise Deferred("Deferred because too many writes to GitHub are pending.", at)
        try:
            async with asyncio.timeout(_LONGEST_CALL):
                await schedule.lock.acquire()
        except TimeoutError:
            schedule.turns[writer] = start
            at = self._clock() + _RETRY
            raise Deferred("Deferred because another write to GitHub does not return.", at) from None
        try:
            await asyncio.sleep(max(0.0, start - self._monotonic()))
            yield
        finally:
            schedule.lock.release()

    def _schedule(self, installation: int) -> _Schedule:
        return self._schedules.setdefault(installation, _Schedule())
