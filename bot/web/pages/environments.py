"""The page of one environment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.environments.diagnostics import DiagnosticsReader
from bot.environments.views import EnvironmentView, environment_view
from bot.model.attempt import DeploymentAttempt
from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.environment import Decision, Environment, EnvironmentKey, EnvironmentKind, EnvironmentState
from bot.model.person import Person
from bot.model.role import Role
from bot.model.usage import Usage
from bot.model.work import ScheduledWork, WorkKey
from bot.promotions.pipeline import first_stages
from bot.web.pages.access import Access
from bot.web.pages.actions.buttons import Button, preview_buttons
from bot.web.pages.actions.command_result import CommandReader, given_command
from bot.web.pages.attempts import attempt_environment, attempt_rows, attempt_time, outcome
from bot.web.pages.attention import place
from bot.web.pages.parameters import NAME, REPOSITORY
from bot.web.pages.session import Sessions
from bot.web.pages.site import Site

_LOG_LINES = 60
_ATTEMPTS = 10
_MOST_ATTEMPTS = 200
_NOT_STORED = "Not stored: events and logs are kept only for failed attempts, for a limited time."
_TRANSITIONAL = (EnvironmentState.PENDING, EnvironmentState.WAITING, EnvironmentState.DELETING)


class EnvironmentQueries(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...


class JournalReader(Protocol):
    async def decisions(self, key: EnvironmentKey) -> Sequence[Decision]: ...

    async def between(
        self, key: EnvironmentKey, start: datetime, end: datetime | None
    ) -> Sequence[Decision]: ...


class QueueReader(Protocol):
    async def look(self, key: WorkKey) -> ScheduledWork | None: ...


class UsageReader(Protocol):
    async def get(self, key: EnvironmentKey) -> Usage | None: ...


class AttemptReader(Protocol):
    async def of_environment(self, key: EnvironmentKey, limit: int) -> Sequence[DeploymentAttempt]:
        """The newest first, without events and logs."""

    async def get(self, key: EnvironmentKey, started_at: datetime) -> DeploymentAttempt | None: ...


@dataclass(frozen=True, slots=True)
class PagePorts:
    """Data sources of the pages."""

    environments: EnvironmentQueries
    journal: JournalReader
    queue: QueueReader
    usages: UsageReader
    commands: CommandReader
    diagnostics: Callable[[str], DiagnosticsReader]
    """Readers by the name of the cluster."""
    attempts: AttemptReader


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
            Route(f"/environments/{{kind}}/{REPOSITORY}/{NAME}", self.environment),
            Route(f"/environments/{{kind}}/{REPOSITORY}/{NAME}/attempts/{{started:id}}", self.attempt),
        ]

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
        decisions, scheduled, usage, diagnostics, role, given = await asyncio.gather(
            self._ports.journal.decisions(key),
            self._ports.queue.look(WorkKey.environment(key)),
            self._ports.usages.get(key),
            self._diagnostics(environment),
            self._access.role(environment.repository, person),
            given_command(self._ports.commands, request.query_params, person, key.repository_id),
        )
        attempts = await self._ports.attempts.of_environment(key, _ATTEMPTS)
        view = environment_view(environment, decisions, scheduled, self._clock())
        return self._site.page(
            "environment.html",
            person,
            topic=str(key),
            environment=view,
            diagnostics=diagnostics,
            usage=usage,
            buttons=_buttons(environment, role, person.login),
            given=given,
            attempts=attempt_rows(attempts),
            pull=_pull(environment),
            stage=key if key.kind is EnvironmentKind.STAGE else None,
            repository=environment.repository.full_name,
            longest=max((step.seconds or 0 for step in view.steps), default=0),
            refresh_seconds=_refresh_seconds(view),
        )

    async def attempt(self, request: Request) -> Response:
        """One attempt: also after a newer one, and after its namespace was deleted."""
        person = self._sessions.person(request)
        if person is None:
            return self._site.redirect(f"/sign-in?next={quote(request.url.path)}")
        environment = await self._visible(request, person)
        attempt = None
        if environment is not None:
            started_at = attempt_time(request.path_params["started"])
            attempt = await self._ports.attempts.get(environment.key, started_at)
        if environment is None or attempt is None:
            return self._site.error_page(
                person, 404, "Not found", "This attempt is not stored, or you cannot read its repository."
            )
        key = environment.key
        all_rows = attempt_rows(await self._ports.attempts.of_environment(key, _MOST_ATTEMPTS))
        following = [row.started_at for row in all_rows if row.started_at > attempt.started_at]
        end = min(following, default=None)
        decisions = await self._ports.journal.between(key, attempt.started_at, end)
        is_current = end is None and environment.status.state is not EnvironmentState.GONE
        view = environment_view(attempt_environment(environment, attempt), decisions, None, self._clock())
        return self._site.page(
            "attempt.html",
            person,
            environment=view,
            attempt=attempt,
            outcome=outcome(attempt, is_last=end is None),
            is_current=is_current,
            pull=_pull(environment),
            repository=environment.repository.full_name,
            diagnostics=attempt.failure or NamespaceDiagnostics(unavailable=_NOT_STORED),
            longest=max((step.seconds or 0 for step in view.steps), default=0),
            place=place(key),
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


def _buttons(environment: Environment, role: Role, login: str) -> Sequence[Button]:
    """The buttons of a preview; a stage has them on its own page."""
    if environment.key.kind is not EnvironmentKind.PREVIEW:
        return ()
    configuration = environment.attempt.configuration
    stages = first_stages(configuration) if configuration else ()
    return preview_buttons(environment, stages, role, login)


def _pull(environment: Environment) -> str:
    """The pull request's number, for a link to it; "" for a stage."""
    return environment.key.name if environment.key.kind is EnvironmentKind.PREVIEW else ""


def _refresh_seconds(view: EnvironmentView) -> int:
    """The interval at which an open page reloads its content."""
    return 3 if view.state in _TRANSITIONAL else 15
