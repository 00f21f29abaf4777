"""The dashboard, and the page of one environment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
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
from bot.model.repository import Repository
from bot.model.work import ScheduledWork, WorkKey
from bot.web.pages.access import Access
from bot.web.pages.parameters import NAME, REPOSITORY
from bot.web.pages.session import Sessions
from bot.web.pages.site import Site

_LOG_LINES = 60
_TRANSITIONAL = (EnvironmentState.PENDING, EnvironmentState.WAITING, EnvironmentState.DELETING)
_SHOWN = frozenset(EnvironmentState) - {EnvironmentState.GONE}
_PAGE = 50
"""Environments on a page of the dashboard."""


class EnvironmentQueries(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...

    async def repositories(self, states: Collection[EnvironmentState]) -> Sequence[tuple[Repository, int]]:
        """Repositories with environments in these states, and how many."""

    async def page(
        self, repository_ids: Collection[int], states: Collection[EnvironmentState], limit: int, offset: int
    ) -> Sequence[Environment]:
        """By repository, newest first."""


class JournalReader(Protocol):
    async def decisions(self, key: EnvironmentKey) -> Sequence[Decision]: ...


class QueueReader(Protocol):
    async def look(self, key: WorkKey) -> ScheduledWork | None: ...


class NamespaceDiagnosticsReader(Protocol):
    async def look(self, namespace: str, environment: EnvironmentKey, lines: int) -> NamespaceDiagnostics: ...


@dataclass(frozen=True, slots=True)
class PagePorts:
    """Data sources of the pages."""

    environments: EnvironmentQueries
    journal: JournalReader
    queue: QueueReader
    diagnostics: Callable[[str], NamespaceDiagnosticsReader]
    """By the name of the cluster."""


class EnvironmentPages:
    def __init__(
        self, site: Site, sessions: Sessions, access: Access, ports: PagePorts, clock: Callable[[], datetime]
    ) -> None:
        self._site = site
        self._sessions = sessions
        self._access = access
        self._ports = ports
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            Route("/", self.dashboard),
            Route(f"/environments/{{kind}}/{REPOSITORY}/{NAME}", self.environment),
        ]

    async def dashboard(self, request: Request) -> Response:
        person = self._sessions.person(request)
        if person is None:
            return self._site.redirect("/sign-in")
        repositories = dict(await self._ports.environments.repositories(_SHOWN))
        visible = await self._access.visible(list(repositories), person)
        pages = -(-sum(repositories[repository] for repository in visible) // _PAGE)
        page = _page_number(request, pages)
        shown = await self._ports.environments.page(
            [repository.id for repository in visible], _SHOWN, _PAGE, (page - 1) * _PAGE
        )
        views = [environment_view(environment, (), None, self._clock()) for environment in shown]
        groups = groupby(zip(shown, views, strict=True), lambda pair: pair[0].repository.full_name)
        return self._site.page(
            "dashboard.html",
            person,
            groups=[_group(name, list(pairs)) for name, pairs in groups],
            page=page,
            pages=pages,
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
                "Not found",
                "This environment does not exist, or you cannot read its repository on GitHub.",
            )
        key = environment.key
        decisions, scheduled, diagnostics = await asyncio.gather(
            self._ports.journal.decisions(key),
            self._ports.queue.look(WorkKey.environment(key)),
            self._diagnostics(environment),
        )
        view = environment_view(environment, decisions, scheduled, self._clock())
        return self._site.page(
            "environment.html",
            person,
            environment=view,
            diagnostics=diagnostics,
            pull=_pull(environment),
            stage=key if key.kind is EnvironmentKind.STAGE else None,
            repository=environment.repository.full_name,
            longest=max((step.seconds or 0 for step in view.steps), default=0),
            refresh_seconds=_refresh_seconds(view),
        )

    async def _visible(self, request: Request, person: Person) -> Environment | None:
        path = request.path_params
        try:
            key = EnvironmentKey(EnvironmentKind(path["kind"]), path["repository"], path["name"])
        except ValueError:
            return None
        environment = await self._ports.environments.get(key)
        if environment is None or not await self._access.may_read(environment.repository, person):
            return None
        return environment

    async def _diagnostics(self, environment: Environment) -> NamespaceDiagnostics:
        if environment.status.state in (EnvironmentState.GONE, EnvironmentState.REFUSED):
            return NamespaceDiagnostics()
        reader = self._ports.diagnostics(environment.cluster)
        return await reader.look(environment.namespace, environment.key, _LOG_LINES)


def _page_number(request: Request, pages: int) -> int:
    """The requested page, or the nearest one."""
    text = request.query_params.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1
    return min(max(number, 1), max(pages, 1))


def _group(
    name: str, pairs: Sequence[tuple[Environment, EnvironmentView]]
) -> tuple[str, int | None, list[EnvironmentView]]:
    """A repository's name, its id if it has stages, and its environments."""
    staged = [
        environment.key.repository_id
        for environment, _ in pairs
        if environment.key.kind is EnvironmentKind.STAGE
    ]
    return name, staged[0] if staged else None, [view for _, view in pairs]


def _pull(environment: Environment) -> str:
    """The pull request's number, for a link to it; "" for a stage."""
    return environment.key.name if environment.key.kind is EnvironmentKind.PREVIEW else ""


def _refresh_seconds(view: EnvironmentView) -> int:
    """The interval at which an open page reloads its content."""
    return 3 if view.state in _TRANSITIONAL else 15
