"""The work queue of a controller: reconciles added keys, each key at most once at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from bot.cluster.client.errors import Refused
from bot.model.errors import Unavailable

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 10.0


class Reconciler(Generic[K]):
    """Runs `reconcile(key)` for every key that was added.

    A key that is added while it waits runs once; while it runs, once more. When `reconcile` returns a number,
    the key runs again after that many seconds; when it raises, with backoff. Conflicts, absent objects and
    an unavailable server are logged at debug level; other refusals as warnings, other errors with a trace.
    """

    def __init__(
        self, name: str, reconcile: Callable[[K], Awaitable[float | None]], *, workers: int = 4
    ) -> None:
        self.name = name
        self._reconcile = reconcile
        self._workers = workers
        self._waiting: dict[K, None] = {}
        self._running: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._wake = asyncio.Semaphore(0)

    def add(self, key: K) -> None:
        """Adds the key; cancels its timer."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = None
            self._wake.release()

    def add_after(self, key: K, seconds: float) -> None:
        """Adds the key after a delay; the earliest of several delays counts."""
        loop = asyncio.get_running_loop()
        if timer := self._timers.get(key):
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    async def run(self) -> None:
        """Reconciles until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def _work(self) -> None:
        while True:
            await self._wake.acquire()
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._running.add(key)
            try:
                await self._reconcile_key(key)
            finally:
                self._running.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _reconcile_key(self, key: K) -> None:
        try:
            after = await self._reconcile(key)
        except (Refused, Unavailable) as error:
            # The object was deleted, or one of the same name still terminates.
            usual = isinstance(error, Unavailable) or error.not_found or error.already_exists
            log.log(logging.DEBUG if usual else logging.WARNING, "%s %s: %s", self.name, key, error)
            self._retry(key)
        except Exception:
            log.exception("%s %s failed", self.name, key)
            self._retry(key)
        else:
            self._failures.pop(key, None)
            if after is not None:
                self.add_after(key, after)

    def _retry(self, key: K) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(_FIRST_PAUSE * 2**failures, _LONGEST_PAUSE))
