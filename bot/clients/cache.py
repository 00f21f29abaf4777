"""A cache whose entries can be invalidated, also while they are being read."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from itertools import count
from typing import Generic, TypeVar

from cachetools import LRUCache

V = TypeVar("V")
_SCOPES = 100_000


class VersionedCache(Generic[V]):
    """Values by scope and name, for a number of seconds.

    `forget` gives the scope a new version. A read in progress, whose value may be outdated, stores its value
    under the old version, which is never read again.
    """

    def __init__(
        self,
        size: int,
        size_of: Callable[[V], int] = lambda _: 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries: LRUCache[tuple[Hashable, int, Hashable], tuple[float, V]] = LRUCache(
            size, lambda entry: size_of(entry[1])
        )
        self._versions: LRUCache[Hashable, int] = LRUCache(_SCOPES)
        self._unused_versions = count()
        self._clock = clock

    async def get(self, scope: Hashable, name: Hashable, read: Callable[[], Awaitable[tuple[V, float]]]) -> V:
        """The cached value, or the one that `read` returns with its lifetime in seconds."""
        key = (scope, self._version(scope), name)
        entry = self._entries.get(key)
        if entry is not None and self._clock() < entry[0]:
            return entry[1]
        started = self._clock()
        value, seconds = await read()
        entry = self._entries.get(key)
        if entry is None or entry[0] < started + seconds:  # a later read may have ended first
            with suppress(ValueError):  # larger than the cache
                self._entries[key] = (started + seconds, value)
        return value

    def peek(self, scope: Hashable, name: Hashable) -> V | None:
        """The cached value, without a read."""
        entry = self._entries.get((scope, self._version(scope), name))
        return entry[1] if entry is not None and self._clock() < entry[0] else None

    def forget(self, scope: Hashable) -> None:
        """Invalidates every value of the scope, and those that are being read."""
        self._versions[scope] = next(self._unused_versions)

    def _version(self, scope: Hashable) -> int:
        # A version is never used twice, also after the scope was evicted.
        version = self._versions.get(scope)
        if version is None:
            version = self._versions[scope] = next(self._unused_versions)
        return version
