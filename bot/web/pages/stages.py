"""A repository's stages, and the page of one of them: the same story as `/status` and `/why` tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.model.environment import EnvironmentState
from bot.model.person import Person
from bot.model.promotion import StageRecord
from bot.model.repository import Repository
from bot.promotions.views import PipelineView, StageView
from bot.web.pages.access import Access
from bot.web.pages.session import Sessions
from bot.web.pages.site import Site


class StageReader(Protocol):
    async def stages(self, repository_id: int) -> Sequence[StageRecord]: ...


class StageViews(Protocol):
    async def pipeline(self, repository: Repository) -> PipelineView: ...

    async def stage(self, repository: Repository, name: str) -> StageView | None: ...


@dataclass(frozen=True, slots=True)
class Badge:
    """A word or two, and how it is coloured: like an environment's state."""

    state: EnvironmentState
    words: str


class StagePages:
    def __init__(
        self,
        site: Site,
        sessions: Sessions,
        access: Access,
        promotions: StageReader,
        storyteller: StageViews,
    ) -> None:
        self._site = site
        self._sessions = sessions
        self._access = access
        self._promotions = promotions
        self._storyteller = storyteller

    def routes(self) -> list[Route]:
        return [
            Route("/stages/{repository:int}", self.pipeline),
            Route("/stages/{repository:int}/{name}", self.stage),
        ]

    async def pipeline(self, request: Request) -> Response:
        person = self._sessions.person(request)
        if person is None:
            return self._redirect_to_sign_in(request)
        repository = await self._visible(request, person)
        if repository is None:
            return self._not_found(person)
        told = await self._storyteller.pipeline(repository)
        return self._site.page(
            "stages.html",
            person,
            repository=repository,
            problem=told.problem,
            stages=[(stage, badge(stage)) for stage in told.stages],
            every=_every(told.stages),
        )

    async def stage(self, request: Request) -> Response:
        person = self._sessions.person(request)
        if person is None:
            return self._redirect_to_sign_in(request)
        repository = await self._visible(request, person)
        name = request.path_params["name"]
        story = await self._storyteller.stage(repository, name) if repository is not None else None
        if repository is None or story is None:
            return self._not_found(person)
        return self._site.page(
            "stage.html",
            person,
            repository=repository,
            story=story,
            badge=badge(story),
            every=_every([story]),
        )

    async def _visible(self, request: Request, person: Person) -> Repository | None:
        """The repository, where it has stages and the person can read it."""
        found = await self._promotions.stages(request.path_params["repository"])
        if not found or not await self._access.may_read(found[0].repository, person):
            return None
        return found[0].repository

    def _redirect_to_sign_in(self, request: Request) -> Response:
        return self._site.redirect(f"/sign-in?next={quote(request.url.path)}")

    def _not_found(self, person: Person) -> Response:
        return self._site.error_page(
            person,
            404,
            "There is nothing to see here",
            "Nothing was promoted there yet, or GitHub does not say that you can read the repository.",
        )


def badge(story: StageView) -> Badge:
    if story.active is not None:
        return Badge(EnvironmentState.PENDING, story.active.promotion.state)
    if story.release is None:
        return Badge(EnvironmentState.ASLEEP, "empty")
    if story.state is EnvironmentState.FAILED:
        return Badge(EnvironmentState.FAILED, "failed")
    if story.verified_at is None:
        return Badge(EnvironmentState.WAITING, "not verified")
    return Badge(EnvironmentState.READY, "verified")


def _every(stages: Sequence[StageView]) -> int:
    """Seconds between two looks of an open page."""
    return 3 if any(stage.pending_promotions for stage in stages) else 15
