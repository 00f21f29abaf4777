"""GitHub API client: tokens, rate limits, conditional reads, paced and fenced writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from cachetools import LRUCache

from bot.github.client.connection import NO_METRICS, CallMetrics, Connection, Params, Reply
from bot.github.client.failures import RateLimited, Unauthorized
from bot.github.client.rate_limit import RateLimits, WritePacer
from bot.github.client.tokens import InstallationTokens
from bot.model.errors import Rejected, Unavailable
from bot.model.times import format_clock

Fence = Callable[[], Awaitable[None]]
Clock = Callable[[], datetime]

_CACHE_BYTES = 16 * 1024 * 1024
"""Responses cached for conditional requests."""
_ENTRY_OVERHEAD = 500
_GRAPHQL_PAUSE = timedelta(minutes=1)
_AS_IT_IS = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class GraphQLResult:
    """Result of a GraphQL document: data by alias, and errors with the alias in their path."""

    data: Mapping[str, Any]
    errors: Sequence[Mapping[str, Any]]


class GitHubClient:
    """Sends requests as an installation, or as the App where `installation` is None.

    Every call raises Unavailable when GitHub does not answer or is rate limited (until `at`; further calls
    then fail at once), Rejected when GitHub refuses. The only retry is one with a new token after a 401.
    """

    def __init__(self, connection: Connection, clock: Clock, metrics: CallMetrics = NO_METRICS) -> None:
        self._connection = connection
        self._clock = clock
        self._metrics = metrics
        self._tokens = InstallationTokens(connection, clock)
        self._rate_limits = RateLimits(clock)
        self._write_pacer = WritePacer(clock)
        self._replies: LRUCache[tuple[object, ...], Reply] = LRUCache(
            _CACHE_BYTES, lambda reply: len(reply.content) + _ENTRY_OVERHEAD
        )

    async def get(
        self, installation: int | None, path: str, params: Params | None = None, accept: str | None = None
    ) -> Reply:
        """A conditional read: an unchanged resource is served from the cache and costs no rate limit."""
        key = (installation, path, tuple(sorted((params or {}).items())), accept)
        stored = self._replies.get(key)
        headers = {} if accept is None else {"Accept": accept}
        if stored is not None:
            headers["If-None-Match"] = stored.headers["etag"]
        reply = await self._send(installation, "GET", path, headers=headers, params=params)
        if reply.status == 304 and stored is not None:
            return stored
        if "etag" in reply.headers:
            with suppress(ValueError):  # larger than the cache
                self._replies[key] = reply
        return reply

    async def pages(
        self, installation: int | None, path: str, params: Params | None = None, *, max_pages: int = 50
    ) -> AsyncIterator[Any]:
        """The body of each page of a list. Raises when one cannot be read; ends after `max_pages`."""
        query: dict[str, str | int] = {"per_page": 100, **(params or {})}
        for _ in range(max_pages):
            reply = await self.get(installation, path, query)
            yield reply.json()
            next_url = httpx.Response(200, headers=dict(reply.headers)).links.get("next", {}).get("url")
            if next_url is None:
                return
            # Only the query of the link is used, so the token is never sent to another host.
            query = {**query, **dict(parse_qsl(urlsplit(next_url).query))}

    def require_write_capacity(self, installation: int) -> None:
        """Raises Unavailable when a write would delay other writes."""
        self._write_pacer.require_capacity(installation)

    async def post(self, installation: int, path: str, body: object, fence: Fence) -> Reply:
        """Sends one paced write; the fence is checked immediately before."""
        self._rate_limits.check(installation)
        async with self._write_pacer.acquire(installation):
            await fence()
            return await self._send(installation, "POST", path, body=body)

    async def post_as_app(self, path: str) -> Reply:
        return await self._send(None, "POST", path)

    async def graphql(
        self, installation: int, document: str, variables: Mapping[str, object], fence: Fence
    ) -> GraphQLResult:
        """Executes the mutations; single ones may fail, see `errors`. Raises when none was executed."""
        body = {"query": document, "variables": variables}
        reply = await self.post(installation, self._connection.graphql_url, body, fence)
        answer = reply.json()
        if not isinstance(answer, dict):
            raise Unavailable("GitHub's GraphQL response is not an object.")
        listed = answer.get("errors")
        errors = [error for error in listed if isinstance(error, dict)] if isinstance(listed, list) else []
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
        """A read whose body the caller streams."""
        self._rate_limits.check(installation)
        authorization = await self._authorization(installation)
        try:
            async with self._connection.open("GET", path, authorization, headers=_AS_IT_IS) as answer:
                yield answer
        except Unauthorized as error:
            self._tokens.forget(installation, authorization)
            raise Unavailable(f"The token was rejected; retrying with a new one. {error}") from None
        except RateLimited as limited:
            raise self._limited(installation, limited) from None

    async def _send(
        self,
        installation: int | None,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        body: object = None,
    ) -> Reply:
        send = partial(self._connection.send, method, path, headers=headers, params=params, body=body)
        self._rate_limits.check(installation)
        authorization = await self._authorization(installation)
        try:
            try:
                reply = await send(authorization)
            except Unauthorized:
                if installation is None:
                    raise
                # A rejected request was not executed, so a write may be sent again.
                self._tokens.forget(installation, authorization)
                authorization = await self._authorization(installation)
                reply = await send(authorization)
        except RateLimited as limited:
            raise self._limited(installation, limited) from None
        remaining = reply.headers.get("x-ratelimit-remaining", "")
        if installation is not None and remaining.isdecimal():
            self._metrics.github_rate_limit(installation, int(remaining))
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
        return RateLimited(f"GitHub's GraphQL rate limit is exhausted until {format_clock(until)}.", until)


def _is_rate_limit(error: Mapping[str, Any]) -> bool:
    kind, message = str(error.get("type", "")), str(error.get("message", ""))
    return kind.startswith("RATE_LIMIT") or "secondary rate limit" in message.lower()
