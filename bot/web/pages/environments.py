"""The dashboard, and the page of one environment: the same story as the comment, with all its details."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.environments.views import EnvironmentView, environment_view
from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.environment import Decision, Environment, EnvironmentKey, EnvironmentKind, EnvironmentState
from bot.model.person import Person
from bot.model.work import ScheduledWork, WorkKey
from bot.web.pages.access import Access
from bot.web.pages.session import Sessions
from bot.web.pages.site import Site

_LOG_LINES = 60
_MOVING = (EnvironmentState.PENDING, EnvironmentState.WAITING, EnvironmentState.DELETING)
_SHOWN = frozenset(EnvironmentState) - {EnvironmentState.GONE}
_ALL = slice(0, 500)
"""More than that nobody reads."""


class EnvironmentReader(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...

    async def find(self, *, states: frozenset[EnvironmentState]) -> Sequence[Environment]: ...


class DecisionReader(Protocol):
    async def decisions(self, key: EnvironmentKey) -> Sequence[Decision]: ...


class WorkReader(Protocol):
    async def look(self, key: WorkKey) -> ScheduledWork | None: ...


class NamespaceDiagnosticsReader(Protocol):
    async def look(self, namespace: str, environment: EnvironmentKey, lines: int) -> NamespaceDiagnostics: ...


@dataclass(frozen=True, slots=True)
class PagePorts:
    """Where the pages read."""

    environments: EnvironmentReader
    journal: DecisionReader
    queue: WorkReader
    diagnostics: NamespaceDiagnosticsReader


class EnvironmentPages:
    def __init__(
        self, site: Site, sessions: Sessions, access: Access, rooms: PagePorts, clock: Callable[[], datetime]
    ) -> None:
        self._site = site
        self._sessions = sessions
        self._access = access
        self._rooms = rooms
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            Route("/", self.dashboard),
            Route("/environments/{kind}/{repository:int}/{name}", self.environment),
        ]

    async def dashboard(self, request: Request) -> Response:
        person = self._sessions.person(request)
        if person is None:
            return self._site.redirect("/sign-in")
        found = await self._access.visible(await self._rooms.environments.find(states=_SHOWN), person)
        found.sort(key=lambda each: (each.repository.full_name.lower(), -each.created_at.timestamp()))
        stories = [environment_view(each, (), None, self._clock()) for each in found[_ALL]]
        groups = groupby(zip(found[_ALL], stories, strict=True), lambda both: both[0].repository.full_name)
        return self._site.page(
            "dashboard.html",
            person,
            groups=[_group(name, list(both)) for name, both in groups],
            left_out=max(len(found) - len(stories), 0),
        )

    async def environment(self, request: Request) -> Response:
        person = self._sessions.person(request)
        if person is None:
            return self._site.redirect(f"/sign-in?next={quote(request.url.path)}")
        environment = await self._visible(request, person)
        if environment is None:
            return self._site.error_page(
                person,
                404,
                "There is nothing to see here",
                "There is no such environment, or GitHub does not say that you can read its repository.",
            )
        key = environment.key
        decisions, scheduled, sight = await asyncio.gather(
            self._rooms.journal.decisions(key),
            self._rooms.queue.look(WorkKey.environment(key)),
            self._look(environment),
        )
        story = environment_view(environment, decisions, scheduled, self._clock())
        return self._site.page(
            "environment.html",
            person,
            story=story,
            sight=sight,
            pull=_pull(environment),
            stage=key if key.kind is EnvironmentKind.STAGE else None,
            repository=environment.repository.full_name,
            longest=max((step.seconds or 0 for step in story.steps), default=0),
            every=_every(story),
        )

    async def _visible(self, request: Request, person: Person) -> Environment | None:
        path = request.path_params
        try:
            key = EnvironmentKey(EnvironmentKind(path["kind"]), path["repository"], path["name"])
        except ValueError:
            return None
        environment = await self._rooms.environments.get(key)
        if environment is None or not await self._access.may_read(environment.repository, person):
            return None
        return environment

    async def _look(self, environment: Environment) -> NamespaceDiagnostics:
        if environment.status.state in (EnvironmentState.GONE, EnvironmentState.REFUSED):
            return NamespaceDiagnostics()
        return await self._rooms.diagnostics.look(environment.namespace, environment.key, _LOG_LINES)


def _group(
    name: str, found: Sequence[tuple[Environment, EnvironmentView]]
) -> tuple[str, int | None, list[EnvironmentView]]:
    """A repository, its id where it has stages, and its environments."""
    stages = [each.key.repository_id for each, _ in found if each.key.kind is EnvironmentKind.STAGE]
    return name, stages[0] if stages else None, [story for _, story in found]


def _pull(environment: Environment) -> str:
    """The pull request's number, for a link to it; "" for a stage."""
    return environment.key.name if environment.key.kind is EnvironmentKind.PREVIEW else ""


def _every(story: EnvironmentView) -> int:
    """Seconds between two looks of an open page."""
    return 3 if story.state in _MOVING else 15
