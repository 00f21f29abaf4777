"""The share of the workers that one cluster may occupy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from bot.environments.ports import Clock
from bot.model.errors import Deferred

_RETRY = timedelta(seconds=1)


class Share:
    """Calls to a cluster that hangs occupy at most `limit` workers; None for no limit."""

    def __init__(self, cluster: str, limit: int | None, clock: Clock) -> None:
        self._cluster = cluster
        self._limit = limit
        self._clock = clock
        self._running = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Raises Deferred while all are taken: the work waits in the queue, not on a worker."""
        if self._limit is not None and self._running >= self._limit:
            raise Deferred(f"{self._running} runs use the cluster {self._cluster}", self._clock() + _RETRY)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
