"""Read access to repositories: GitHub's answer, cached for a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from bot.model.errors import GreenroomError
from bot.model.person import Person
from bot.model.repository import Repository

KEPT_SECONDS = 60.0
_MOST_KEPT = 10_000
_AT_ONCE = 8

_log = structlog.get_logger(__name__)


class PermissionReader(Protocol):
    async def may_read(self, repository: Repository, person: Person) -> bool: ...


class Access:
    """Fails closed: without an answer from GitHub, access is denied."""

    def __init__(self, readers: PermissionReader, clock: Callable[[], float] = time.monotonic) -> None:
        self._readers = readers
        self._clock = clock
        self._cached: dict[tuple[int, int], tuple[bool, float]] = {}
        self._concurrency = asyncio.Semaphore(_AT_ONCE)

    async def may_read(self, repository: Repository, person: Person) -> bool:
        key = (repository.id, person.id)
        answer, until = self._cached.get(key, (False, 0.0))
        if self._clock() < until:
            return answer
        try:
            async with self._concurrency:
                answer = await self._readers.may_read(repository, person)
        except GreenroomError as error:
            _log.warning("permissions unavailable", repository=repository.full_name, reason=str(error))
            return False
        if len(self._cached) >= _MOST_KEPT:
            self._cached.clear()
        self._cached[key] = (answer, self._clock() + KEPT_SECONDS)
        return answer

    async def visible(self, repositories: Sequence[Repository], person: Person) -> list[Repository]:
        """Repositories that the person can read, in the given order."""
        answers = await asyncio.gather(*(self.may_read(repository, person) for repository in repositories))
        return [repository for repository, answer in zip(repositories, answers, strict=True) if answer]
