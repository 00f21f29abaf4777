"""The dashboard: what needs attention, then the environments, with search and filters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.environments.views import EnvironmentView, environment_view
from bot.model.dashboard import Attention, EnvironmentFilter, Listing
from bot.model.environment import Environment, EnvironmentKey, EnvironmentKind, EnvironmentState
from bot.model.repository import Repository
from bot.web.pages.access import Access, awaits_approval_by
from bot.web.pages.attention import Item, approvals_for, marks, place, trouble
from bot.web.pages.session import Sessions
from bot.web.pages.site import Site

_SHOWN = tuple(state for state in EnvironmentState if state is not EnvironmentState.GONE)
_PAGE = 50
"""Environments on a page."""
_TROUBLED = 20
"""Entries of each kind in the list of what needs attention."""
_MAX_TEXT = 100


class RepositoryReader(Protocol):
    async def repositories(self, states: Collection[EnvironmentState]) -> Sequence[tuple[Repository, int]]:
        """Repositories with environments in these states, and how many."""


class DashboardReader(Protocol):
    async def attention(self, repository_ids: Collection[int], now: datetime, limit: int) -> Attention: ...

    async def listing(
        self, repository_ids: Collection[int], selection: EnvironmentFilter, limit: int, page: int
    ) -> tuple[Listing, int]: ...


@dataclass(frozen=True, slots=True)
class Row:
    view: EnvironmentView
    short_name: str
    """Within its repository: `#7`, or the stage."""
    path: str
    marks: Sequence[Item] = ()
    """What needs attention there, besides its state."""


@dataclass(frozen=True, slots=True)
class Group:
    """The environments of a repository on this page of the list."""

    repository: Repository
    has_stages: bool
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class DashboardPage:
    site: Site
    sessions: Sessions
    access: Access
    environments: RepositoryReader
    reader: DashboardReader
    clock: Callable[[], datetime]

    def routes(self) -> list[Route]:
        return [Route("/", self.show)]

    async def show(self, request: Request) -> Response:
        person = self.sessions.person(request)
        if person is None:
            return self.site.redirect("/sign-in")
        now, repositories = self.clock(), dict(await self.environments.repositories(_SHOWN))
        visible = await self.access.visible(list(repositories), person)
        selection = _filter(request.query_params, visible)
        ids = [repository.id for repository in visible]
        listing, page = await self.reader.listing(ids, selection, _PAGE, _page_number(request.query_params))
        attention = await self.reader.attention(ids, now, _TROUBLED)
        own = [
            promotion.id
            for promotion in attention.approvals
            if await awaits_approval_by(self.access, promotion, person, now)
        ]
        return self.site.page(
            "dashboard.html",
            person,
            topic="",
            own=approvals_for(attention, own),
            trouble=trouble(attention, now, own),
            more_failed=attention.environment_count - len(attention.environments),
            groups=_groups(listing.environments, marks(attention, now), now),
            count=listing.count,
            selection=selection,
            repositories=sorted(visible, key=lambda repository: repository.full_name.lower()),
            states=_SHOWN,
            authors=listing.authors,
            page=page,
            pages=max(-(-listing.count // _PAGE), 1),
            address=lambda number: f"/?{urlencode({**_query(selection), 'page': number})}",
        )


def _filter(query: Mapping[str, str], repositories: Sequence[Repository]) -> EnvironmentFilter:
    """Ignores an unknown value of a list; the form shows what applies."""
    ids = {str(repository.id): repository.id for repository in repositories}
    state = query.get("state", "")
    return EnvironmentFilter(
        text=" ".join(query.get("q", "").split())[:_MAX_TEXT],
        repository_id=ids.get(query.get("repository", "")),
        state=EnvironmentState(state) if state in _SHOWN else None,
        author=query.get("author", "")[:_MAX_TEXT],
    )


def _query(selection: EnvironmentFilter) -> dict[str, str]:
    """The query parameters of a filter."""
    values = {
        "q": selection.text,
        "repository": str(selection.repository_id or ""),
        "state": selection.state or "",
        "author": selection.author,
    }
    return {name: value for name, value in values.items() if value}


def _page_number(query: Mapping[str, str]) -> int:
    text = query.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _groups(
    environments: Sequence[Environment], marks: Mapping[EnvironmentKey, Sequence[Item]], now: datetime
) -> list[Group]:
    by_repository = groupby(environments, lambda environment: environment.repository.id)
    groups = []
    for _, items in by_repository:
        own = list(items)
        has_stages = any(environment.key.kind is not EnvironmentKind.PREVIEW for environment in own)
        groups.append(
            Group(own[0].repository, has_stages, [_row(environment, marks, now) for environment in own])
        )
    return groups


def _row(environment: Environment, marks: Mapping[EnvironmentKey, Sequence[Item]], now: datetime) -> Row:
    key, view = environment.key, environment_view(environment, (), None, now)
    if key.kind is EnvironmentKind.PREVIEW:
        return Row(view, f"#{key.name}", f"/environments/{key}")
    return Row(replace(view, title=key.name), key.kind.value, place(key), marks.get(key, ()))
