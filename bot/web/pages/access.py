"""What a signed-in user may do in repositories: GitHub's answer, cached for a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import structlog
from cachetools import TTLCache

from bot.model.errors import GreenroomError
from bot.model.person import Person
from bot.model.promotion import Promotion
from bot.model.repository import Repository
from bot.model.role import Role
from bot.promotions.approvals import awaits_approval_of, relevant_teams

KEPT_SECONDS = 60.0
_MOST_KEPT = 10_000
_AT_ONCE = 8

_log = structlog.get_logger(__name__)


class PermissionReader(Protocol):
    async def role_of(self, repository: Repository, person: Person) -> Role: ...

    async def in_team(self, repository: Repository, team: str, login: str) -> bool: ...


class Access:
    """Fails closed: without an answer from GitHub, access is denied."""

    def __init__(self, readers: PermissionReader, clock: Callable[[], float] = time.monotonic) -> None:
        self._readers = readers
        self._roles: TTLCache[tuple[int, int], Role] = TTLCache(_MOST_KEPT, KEPT_SECONDS, clock)
        self._teams: TTLCache[tuple[str, str, int], bool] = TTLCache(_MOST_KEPT, KEPT_SECONDS, clock)
        self._concurrency = asyncio.Semaphore(_AT_ONCE)

    async def role(self, repository: Repository, person: Person) -> Role:
        """NONE without an answer."""
        key = (repository.id, person.id)
        if (cached := self._roles.get(key)) is not None:
            return cached
        try:
            role = await self.current_role(repository, person)
        except GreenroomError as error:
            _log.warning("permissions unavailable", repository=repository.full_name, reason=str(error))
            return Role.NONE
        self._roles[key] = role
        return role

    async def current_role(self, repository: Repository, person: Person) -> Role:
        """The role that GitHub returns now; raises a GreenroomError without an answer."""
        async with self._concurrency:
            return await self._readers.role_of(repository, person)

    async def may_read(self, repository: Repository, person: Person) -> bool:
        return await self.role(repository, person) is not Role.NONE

    async def teams(self, repository: Repository, teams: Sequence[str], person: Person) -> list[str]:
        """The teams of which the person is a member; without an answer, the person is in none."""
        answers = await asyncio.gather(*(self._in_team(repository, team, person) for team in teams))
        return [team for team, answer in zip(teams, answers, strict=True) if answer]

    async def _in_team(self, repository: Repository, team: str, person: Person) -> bool:
        key = (repository.owner, team, person.id)
        if (cached := self._teams.get(key)) is not None:
            return cached
        try:
            async with self._concurrency:
                answer = await self._readers.in_team(repository, team, person.login)
        except GreenroomError as error:
            _log.warning("team unavailable", repository=repository.full_name, reason=str(error))
            return False
        self._teams[key] = answer
        return answer

    async def visible(self, repositories: Sequence[Repository], person: Person) -> list[Repository]:
        """Repositories that the person can read, in the given order."""
        answers = await asyncio.gather(*(self.may_read(repository, person) for repository in repositories))
        return [repository for repository, answer in zip(repositories, answers, strict=True) if answer]


async def awaits_approval_by(access: Access, promotion: Promotion, person: Person, now: datetime) -> bool:
    """Whether an approval is missing that this person can give."""
    role = await access.role(promotion.repository, person)
    if not role.may_write:
        return False
    teams = await access.teams(promotion.repository, relevant_teams(promotion), person)
    return awaits_approval_of(promotion, person.login, teams, now)
