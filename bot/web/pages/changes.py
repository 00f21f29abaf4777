"""Live pages: an event stream notifies a page that something it shows has changed.

The page then loads itself again, so an event carries no data. One task reads the changes for all streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.model.changes import Cursor
from bot.model.environment import Environment, EnvironmentKey, EnvironmentState
from bot.model.errors import GreenroomError
from bot.model.person import Person
from bot.model.repository import Repository
from bot.web.pages.access import Access
from bot.web.pages.session import Sessions

MAX_STREAMS = 100
"""For each process. Further pages load themselves in an interval."""
_POLL_SECONDS = 1.0
_HEARTBEAT_SECONDS = 20.0
"""Shorter than the idle timeout of gateways."""
_LONGEST_SECONDS = 600.0
"""Then the browser connects again, and session and permissions are checked again."""
_SHOWN = frozenset(EnvironmentState)

_log = structlog.get_logger(__name__)


class ChangeReader(Protocol):
    async def start(self) -> Cursor: ...

    async def since(self, cursor: Cursor) -> tuple[Cursor, Collection[str]]: ...


class Environments(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...

    async def repositories(
        self, states: Collection[EnvironmentState]
    ) -> Collection[tuple[Repository, int]]: ...


class ChangeFeed:
    """Reads changes while at least one stream is open."""

    def __init__(self, reader: ChangeReader, poll_seconds: float = _POLL_SECONDS) -> None:
        self._reader = reader
        self._poll_seconds = poll_seconds
        self._streams: dict[asyncio.Event, Collection[str]] = {}
        self._task: asyncio.Task[None] | None = None
        self._started = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return len(self._streams) >= MAX_STREAMS

    async def stream(self, topics: Collection[str]) -> AsyncGenerator[bytes, None]:
        """Events for changes of these topics, and comments as heartbeats.

        The first event follows as soon as changes are read: the page may be older.
        """
        changed = asyncio.Event()
        self._streams[changed] = topics
        if self._task is None:
            self._task = asyncio.create_task(self._read())
        try:
            yield b"retry: 2000\n\n"
            async with asyncio.timeout(_LONGEST_SECONDS):
                await self._started.wait()
                yield b"data: changed\n\n"
                while True:
                    yield b"data: changed\n\n" if await _wait(changed) else b": alive\n\n"
                    changed.clear()
        except TimeoutError:
            return
        finally:
            del self._streams[changed]
            if not self._streams and self._task is not None:
                self._task.cancel()
                self._task = None
                self._started.clear()

    async def _read(self) -> None:
        cursor: Cursor | None = None
        while True:
            try:
                if cursor is None:
                    cursor = await self._reader.start()
                    self._started.set()
                await asyncio.sleep(self._poll_seconds)
                cursor, topics = await self._reader.since(cursor)
            except GreenroomError as error:
                _log.warning("changes unavailable", reason=str(error))
                await asyncio.sleep(self._poll_seconds)
                continue
            for changed, own in self._streams.items():
                if not set(topics).isdisjoint(own):
                    changed.set()


async def _wait(changed: asyncio.Event) -> bool:
    """Whether it changed before the next heartbeat."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_HEARTBEAT_SECONDS):
            await changed.wait()
            return True
    return False


class ChangePages:
    def __init__(
        self, sessions: Sessions, access: Access, environments: Environments, feed: ChangeFeed
    ) -> None:
        self._sessions = sessions
        self._access = access
        self._environments = environments
        self._feed = feed

    def routes(self) -> list[Route]:
        return [Route("/environments/changes", self.changes)]

    async def changes(self, request: Request) -> Response:
        person = self._sessions.person(request)
        if person is None:
            return _refused(HTTPStatus.UNAUTHORIZED, "Sign in.")
        if self._feed.is_full:
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "Too many open pages.")
        topics = await self._topics(request.query_params.get("of", ""), person)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._feed.stream(topics), media_type="text/event-stream", headers=headers)

    async def _topics(self, topic: str, person: Person) -> Collection[str]:
        """The requested topic, or every repository; only what the person can read."""
        repositories = [repository for repository, _ in await self._environments.repositories(_SHOWN)]
        if "/" in topic:
            return [topic] if await self._may_see(topic, person) else []
        if topic:
            repositories = [repository for repository in repositories if str(repository.id) == topic]
        return [str(repository.id) for repository in await self._access.visible(repositories, person)]

    async def _may_see(self, topic: str, person: Person) -> bool:
        try:
            environment = await self._environments.get(EnvironmentKey.parse(topic))
        except ValueError:
            return False
        return environment is not None and await self._access.may_read(environment.repository, person)


def _refused(status: HTTPStatus, reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", status, {"Cache-Control": "no-store"})
