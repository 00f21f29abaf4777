"""One call of the API as its handler sees it, and the table of routes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import urlencode

import msgspec

from bot.embedded.github.core import GitHub
from bot.embedded.github.errors import bad_request, not_found
from bot.embedded.github.operations.deployments import Actor
from bot.embedded.github.render.basics import Json
from bot.embedded.github.state.apps import Installation
from bot.embedded.github.state.records import Repository
from bot.embedded.github.state.world import World

T = TypeVar("T")
Item = TypeVar("Item")

MAX_PAGE = 100


@dataclass(frozen=True)
class Principal:
    """The caller. `installation` is set for an installation token only."""

    kind: Literal["app", "installation", "user", "nobody"]
    key: str  # whose rate limit is used up
    login: str
    installation: Installation | None = None
    permissions: Mapping[str, str] = field(default_factory=dict)
    repository_ids: frozenset[int] | None = None


@dataclass(frozen=True)
class Answer:
    body: Json | list[Json] | bytes | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json; charset=utf-8"


@dataclass
class Call:
    github: GitHub
    principal: Principal
    method: str
    url: str  # absolute, without the query
    params: Mapping[str, str]
    query: Mapping[str, str]
    accept: str
    raw_body: bytes
    target: Repository | None = None

    @property
    def world(self) -> World:
        return self.github.world

    @property
    def repository(self) -> Repository:
        if self.target is None:
            raise not_found()
        return self.target

    @property
    def actor(self) -> Actor:
        app = self.github.credentials.slug if self.principal.kind == "installation" else None
        return Actor(self.principal.login, app)

    def number(self, name: str) -> int:
        """A path parameter that must be a number."""
        value = self.params[name]
        if not value.isdecimal():
            raise not_found()
        return int(value)

    def body(self, shape: type[T]) -> T:
        """The body, checked against a TypedDict; what it does not name is ignored."""
        try:
            return msgspec.json.decode(self.raw_body or b"{}", type=shape)
        except msgspec.ValidationError as error:
            raise bad_request(_worded(str(error))) from error


def _worded(problem: str) -> str:
    if "missing required field" in problem:
        field = problem.split("`")[1]
        return f'"{field}" wasn\'t supplied.'
    expected, _, where = problem.partition(" - at `$.")
    return f"For 'properties/{where.rstrip('`') or 'body'}': {expected}."


Handler = Callable[[Call], Answer]
Auth = Literal["app", "token", "any", "none"]


@dataclass(frozen=True)
class Entry:
    """`needs`: any one of these permissions, written `issues:write`; none for what every caller may ask."""

    method: str
    path: str
    handler: Handler
    needs: tuple[str, ...]
    auth: Auth


class Routes:
    """A table of handlers, filled by its decorators."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def _add(
        self, method: str, path: str, needs: tuple[str, ...], auth: Auth
    ) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.entries.append(Entry(method, path, handler, needs, auth))
            return handler

        return register

    def get(self, path: str, *needs: str, auth: Auth = "token") -> Callable[[Handler], Handler]:
        return self._add("GET", path, needs, auth)

    def post(self, path: str, *needs: str, auth: Auth = "token") -> Callable[[Handler], Handler]:
        return self._add("POST", path, needs, auth)

    def patch(self, path: str, *needs: str, auth: Auth = "token") -> Callable[[Handler], Handler]:
        return self._add("PATCH", path, needs, auth)

    def put(self, path: str, *needs: str, auth: Auth = "token") -> Callable[[Handler], Handler]:
        return self._add("PUT", path, needs, auth)

    def delete(self, path: str, *needs: str, auth: Auth = "token") -> Callable[[Handler], Handler]:
        return self._add("DELETE", path, needs, auth)


def page_size(call: Call) -> int:
    size = call.query.get("per_page", "30")
    return min(int(size), MAX_PAGE) if size.isdecimal() and int(size) else 30


def paged(
    call: Call, items: Iterable[Item], render: Callable[[Item], Json], *, key: str | None = None
) -> Answer:
    """One page with its Link header; KEY wraps it as `{total_count, KEY: […]}`."""
    everything = [] if call.github.faults.take("empty_lists", path=call.url) else list(items)
    size, asked = page_size(call), call.query.get("page", "1")
    page = max(int(asked), 1) if asked.isdecimal() else 1
    last = max(-(-len(everything) // size), 1)
    listed = [render(item) for item in everything[(page - 1) * size : page * size]]
    pages: dict[str, int] = {}
    if page > 1:
        pages |= {"prev": page - 1}
    if page < last:
        pages |= {"next": page + 1, "last": last}
    if page > 1:
        pages |= {"first": 1}
    headers = {"Link": link(call, {rel: {"page": str(n)} for rel, n in pages.items()})} if pages else {}
    if key is None:
        return Answer(listed, headers=headers)
    return Answer({"total_count": len(everything), key: listed}, headers=headers)


def link(call: Call, relations: Mapping[str, Mapping[str, str]]) -> str:
    return ", ".join(
        f'<{call.url}?{urlencode({**call.query, **changed})}>; rel="{relation}"'
        for relation, changed in relations.items()
    )
