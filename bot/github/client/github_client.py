"""Calls as an installation or as the App: tokens, rate limits, conditional reads, paced and fenced writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from bot.github.client.cache import Bounded
from bot.github.client.connection import Connection, Params, Reply
from bot.github.client.failures import RateLimited, Unauthorized
from bot.github.client.rate_limit import RateLimits, WritePacer
from bot.github.client.telemetry import CallMetrics, NoCallMetrics
from bot.github.client.tokens import InstallationTokens
from bot.model.errors import Rejected, Unavailable

Fence = Callable[[], Awaitable[None]]
Clock = Callable[[], datetime]

_REMEMBERED = 16 * 1024 * 1024
"""Bytes of answers that are kept for conditional requests."""
_ENTRY_OVERHEAD = 500
_GRAPHQL_PAUSE = timedelta(minutes=1)
_UNTOLD = NoCallMetrics()
_AS_IT_IS = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class GraphQLResult:
    """What became of a GraphQL document: data by alias, and the errors with the alias they belong to."""

    data: Mapping[str, Any]
    errors: Sequence[Mapping[str, Any]]


class GitHubClient:
    """`installation` None is the App itself.

    Every call raises TryAgain when GitHub does not answer or asks for a pause (`at` says until when; further
    calls then fail at once), Rejected when it refuses. Nothing is retried but a call whose token was not
    accepted, once, with a new token.
    """

    def __init__(self, connection: Connection, clock: Clock, telemetry: CallMetrics = _UNTOLD) -> None:
        self._connection = connection
        self._clock = clock
        self._telemetry = telemetry
        self._tokens = InstallationTokens(connection, clock)
        self._rate_limits = RateLimits(clock)
        self._write_pacer = WritePacer(clock)
        self._replies: Bounded[tuple[object, ...], Reply] = Bounded(
            _REMEMBERED, lambda reply: len(reply.content) + _ENTRY_OVERHEAD
        )

    async def get(
        self, installation: int | None, path: str, params: Params | None = None, accept: str | None = None
    ) -> Reply:
        """A conditional read: when nothing changed, GitHub's 304 costs nothing; the old answer is given."""
        key = (installation, path, tuple(sorted((params or {}).items())), accept)
        stored = self._replies.get(key)
        headers = {} if accept is None else {"Accept": accept}
        if stored is not None:
            headers["If-None-Match"] = stored.headers["etag"]
        reply = await self._send(installation, "GET", path, headers=headers, params=params)
        if reply.status == 304 and stored is not None:
            return stored
        if "etag" in reply.headers:
            self._replies.put(key, reply)
        return reply

    async def pages(
        self, installation: int | None, path: str, params: Params | None = None, *, max_pages: int = 50
    ) -> AsyncIterator[Any]:
        """The body of each page of a list. Raises rather than end early, except after `most` pages."""
        query: dict[str, str | int] = {"per_page": 100, **(params or {})}
        for _ in range(max_pages):
            reply = await self.get(installation, path, query)
            yield reply.json()
            next_url = httpx.Response(200, headers=dict(reply.headers)).links.get("next", {}).get("url")
            if next_url is None:
                return
            # Only the query is taken from the link: the token goes nowhere else.
            query = {**query, **dict(parse_qsl(urlsplit(next_url).query))}

    def require_write_capacity(self, installation: int) -> None:
        """Raises TryAgain where a write would have to wait: for what is not worth holding up others."""
        self._write_pacer.require_capacity(installation)

    async def post(self, installation: int, path: str, body: object, fence: Fence) -> Reply:
        """One write, in its turn; the fence is asked just before it is sent."""
        self._rate_limits.check(installation)
        async with self._write_pacer.acquire(installation):
            await fence()
            return await self._send(installation, "POST", path, body=body)

    async def post_as_app(self, path: str) -> Reply:
        return await self._send(None, "POST", path)

    async def graphql(
        self, installation: int, document: str, variables: Mapping[str, object], fence: Fence
    ) -> GraphQLResult:
        """Some of its mutations may have failed: the errors say which. Raises when nothing was executed."""
        body = {"query": document, "variables": variables}
        reply = await self.post(installation, self._connection.graphql_url, body, fence)
        answer = reply.json()
        if not isinstance(answer, dict):
            raise Unavailable("GitHub's GraphQL answer is no object.")
        found = answer.get("errors")
        errors = [error for error in found if isinstance(error, dict)] if isinstance(found, list) else []
        if any(_is_rate_limit(error) for error in errors):
            raise self._limited(installation, self._graphql_limit(reply))
        data = answer.get("data")
        if isinstance(data, dict):
            return GraphQLResult(data, errors)
        messages = "; ".join(str(error.get("message", "")) for error in errors)[:500]
        if any(error.get("type") or error.get("extensions") for error in errors):
            raise Rejected(f"GitHub refused a GraphQL document: {messages}")
        raise Unavailable(f"GitHub did not execute a GraphQL document: {messages or 'no reason given'}")

    @asynccontextmanager
    async def stream(self, installation: int, path: str) -> AsyncIterator[httpx.Response]:
        """A read whose body the caller takes piece by piece."""
        self._rate_limits.check(installation)
        authorization = await self._authorization(installation)
        try:
            async with self._connection.open("GET", path, authorization, headers=_AS_IT_IS) as answer:
                yield answer
        except Unauthorized as error:
            self._tokens.forget(installation, authorization)
            raise Unavailable(f"The token was not accepted and is minted anew. {error}") from None
        except RateLimited as limited:
            raise self._limited(installation, limited) from None

    async def _send(self, installation: int | None, method: str, path: str, **request: Any) -> Reply:
        self._rate_limits.check(installation)
        authorization = await self._authorization(installation)
        try:
            try:
                reply = await self._connection.send(method, path, authorization, **request)
            except Unauthorized:
                if installation is None:
                    raise
                # Not accepted means not performed, so even a write may be sent again.
                self._tokens.forget(installation, authorization)
                authorization = await self._authorization(installation)
                reply = await self._connection.send(method, path, authorization, **request)
        except RateLimited as limited:
            raise self._limited(installation, limited) from None
        remaining = reply.headers.get("x-ratelimit-remaining", "")
        if installation is not None and remaining.isdecimal():
            self._telemetry.github_rate_limit(installation, int(remaining))
        return reply

    async def _authorization(self, installation: int | None) -> str:
        if installation is None:
            return self._connection.app_authorization()
        try:
            return await self._tokens.authorization(installation)
        except RateLimited as limited:
            raise self._limited(installation, limited) from None

    def _limited(self, installation: int | None, limited: RateLimited) -> RateLimited:
        self._rate_limits.record(installation, limited)
        return limited

    def _graphql_limit(self, reply: Reply) -> RateLimited:
        reset = reply.headers.get("x-ratelimit-reset", "")
        now = self._clock()
        until = now + _GRAPHQL_PAUSE
        if reset.isdecimal() and len(reset) < 12:
            until = max(datetime.fromtimestamp(int(reset), now.tzinfo), now + timedelta(seconds=1))
        return RateLimited(f"GitHub's GraphQL rate limit is used up until {until:%H:%M:%S} UTC.", until)


def _is_rate_limit(error: Mapping[str, Any]) -> bool:
    kind, message = str(error.get("type", "")), str(error.get("message", ""))
    return kind.startswith("RATE_LIMIT") or "secondary rate limit" in message.lower()
