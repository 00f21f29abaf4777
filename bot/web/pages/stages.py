"""The page of a repository's stages, and the page of one stage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.github.messages.stage_summary import configuration_problem
from bot.model.person import Person
from bot.model.promotion import StageRecord
from bot.model.repository import Repository
from bot.promotions.views import PipelineView, StageView
from bot.web.pages.access import Access, awaits_approval_by
from bot.web.pages.actions.buttons import stage_buttons
from bot.web.pages.actions.command_result import CommandReader, given_command
from bot.web.pages.badge import badge
from bot.web.pages.parameters import NAME, REPOSITORY
from bot.web.pages.pipeline_graph import pipeline_svg, stage_rows
from bot.web.pages.session import Sessions
from bot.web.pages.site import Site


class StageReader(Protocol):
    async def stages(self, repository_id: int) -> Sequence[StageRecord]: ...


class StageViews(Protocol):
    async def pipeline(self, repository: Repository) -> PipelineView: ...

    async def stage(self, repository: Repository, name: str) -> StageView | None: ...


class StagePages:
    def __init__(
        self,
        site: Site,
        sessions: Sessions,
        access: Access,
        promotions: StageReader,
        views: StageViews,
        commands: CommandReader,
        clock: Callable[[], datetime],
    ) -> None:
        self._site = site
        self._sessions = sessions
        self._access = access
        self._promotions = promotions
        self._views = views
        self._commands = commands
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            Route(f"/stages/{REPOSITORY}", self.pipeline),
            Route(f"/stages/{REPOSITORY}/{NAME}", self.stage),
        ]

    async def pipeline(self, request: Request) -> Response:
        person = self._sessions.person(request)
        if person is None:
            return self._redirect_to_sign_in(request)
        repository = await self._visible(request, person)
        if repository is None:
            return self._not_found(person)
        pipeline = await self._views.pipeline(repository)
        rows = stage_rows(pipeline)
        return self._site.page(
            "stages.html",
            person,
            topic=str(repository.id),
            rows=rows,
            graph=pipeline_svg(rows),
            repository=repository,
            problem=configuration_problem(pipeline),
            stages=[(stage, badge(stage)) for stage in pipeline.stages],
            refresh_seconds=_refresh_seconds(pipeline.stages),
        )

    async def stage(self, request: Request) -> Response:
        person = self._sessions.person(request)
        if person is None:
            return self._redirect_to_sign_in(request)
        repository = await self._visible(request, person)
        name = request.path_params["name"]
        stage = await self._views.stage(repository, name) if repository is not None else None
        if repository is None or stage is None:
            return self._not_found(person)
        role = await self._access.role(repository, person)
        return self._site.page(
            "stage.html",
            person,
            topic=str(repository.id),
            buttons=stage_buttons(stage, role, await self._approvable(stage, person)),
            given=await given_command(self._commands, request.query_params, person, repository.id),
            repository=repository,
            stage=stage,
            badge=badge(stage),
            refresh_seconds=_refresh_seconds([stage]),
        )

    async def _approvable(self, stage: StageView, person: Person) -> Collection[str]:
        """The pending promotions of which the person's approval is missing."""
        pending = [item.promotion for item in stage.pending_promotions if item.missing]
        now = self._clock()
        return [item.id for item in pending if await awaits_approval_by(self._access, item, person, now)]

    async def _visible(self, request: Request, person: Person) -> Repository | None:
        """The repository if it has stages and the person can read it."""
        stages = await self._promotions.stages(request.path_params["repository"])
        if not stages or not await self._access.may_read(stages[0].repository, person):
            return None
        return stages[0].repository

    def _redirect_to_sign_in(self, request: Request) -> Response:
        return self._site.redirect(f"/sign-in?next={quote(request.url.path)}")

    def _not_found(self, person: Person) -> Response:
        return self._site.error_page(
            person,
            404,
            "Not found",
            "The repository has no such stage with promotions, or you cannot read it on GitHub.",
        )


def _refresh_seconds(stages: Sequence[StageView]) -> int:
    """The interval at which an open page reloads its content."""
    return 3 if any(stage.pending_promotions for stage in stages) else 15
