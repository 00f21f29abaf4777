"""GitHub API client: tokens, rate limits, conditional reads, paced and fenced writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from cachetools import LRUCache

from bot.github.client.connection import NO_METRICS, CallMetrics, Connection, Params, Reply
from bot.github.client.failures import Forbidden, RateLimited, Unauthorized
from bot.github.client.json_fields import dig, number
from bot.github.client.rate_limit import RateLimits, WritePacer
from bot.github.client.tokens import InstallationTokens
from bot.model.errors import Rejected, Unavailable
from bot.model.times import format_clock

Fence = Callable[[], Awaitable[None]]
Clock = Callable[[], datetime]

_CACHE_BYTES = 16 * 1024 * 1024
"""Responses cached for conditional requests."""
_ENTRY_OVERHEAD = 500
_PAGE = 100
_MAX_PAGES = 10_000
"""Ends an endless list; a list that is not read completely is an error."""
_PERMISSIONS_SETTLE = timedelta(minutes=1)
"""A token that was refused for a permission is replaced once it is this old."""
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
        self,
        installation: int | None,
        path: str,
        params: Params | None = None,
        accept: str | None = None,
        *,
        conditional: bool = True,
    ) -> Reply:
        """A read, by default conditional: an unchanged resource is cached and costs no rate limit."""
        key = (installation, path, tuple(sorted((params or {}).items())), accept)
        stored = self._replies.get(key) if conditional else None
        headers = {} if accept is None else {"Accept": accept}
        if stored is not None:
            headers["If-None-Match"] = stored.headers["etag"]
        reply = await self._send(installation, "GET", path, headers=headers, params=params)
        if reply.status == 304 and stored is not None:
            return replace(stored, cached=True)
        if "etag" in reply.headers:
            with suppress(ValueError):  # larger than the cache
                self._replies[key] = reply
        return reply

    async def pages(
        self, installation: int | None, path: str, params: Params | None = None, *, key: str | None = None
    ) -> AsyncIterator[list[Any]]:
        """The pages of a list, which is the body or its field `key`. Raises unless the list is complete."""
        query: dict[str, str | int] = {"per_page": _PAGE, **(params or {})}
        listed = 0
        for _ in range(_MAX_PAGES):
            reply = await self.get(installation, path, query)
            page, total = _page(path, reply, key)
            following = _next_query(reply)
            if following is None and reply.cached and len(page) >= _PAGE:
                # An unchanged page may have a next one since; its cached header does not show it.
                reply = await self.get(installation, path, query, conditional=False)
                (page, total), following = _page(path, reply, key), _next_query(reply)
            listed += len(page)
            if following is None and total is not None and listed < total:
                raise Unavailable(f"GitHub's list {path} is incomplete: {listed} of {total}. Retrying.")
            yield page
            if following is None:
                return
            query |= following
        raise Unavailable(f"GitHub's list {path} has more than {_MAX_PAGES} pages.")

    def forget_refusals(self, installations: Iterable[int]) -> None:
        """After GitHub listed these installations as active: requests of theirs are sent again."""
        self._tokens.forget_refusals(installations)

    def require_write_capacity(self, installation: int) -> None:
        """Raises Deferred when a write would delay other writes."""
        self._write_pacer.require_capacity(installation)

    async def post(
        self,
        installation: int,
        path: str,
        body: object,
        fence: Fence,
        *,
        writer: str = "",
        continues: bool = False,
    ) -> Reply:
        """Sends one paced write; the fence is checked immediately before.

        Writes of one `writer` (by default the path) share turns; `continues` what another one began.
        """
        self._rate_limits.check(installation)
        async with self._write_pacer.acquire(installation, writer or path, continues=continues):
            await fence()
            return await self._send(installation, "POST", path, body=body)

    async def patch(self, installation: int, path: str, body: object, fence: Fence) -> Reply:
        """Like `post`, for the change of an object."""
        self._rate_limits.check(installation)
        async with self._write_pacer.acquire(installation, path, continues=False):
            await fence()
            return await self._send(installation, "PATCH", path, body=body)

    async def post_as_app(self, path: str) -> Reply:
        return await self._send(None, "POST", path)

    async def graphql(
        self,
        installation: int,
        document: str,
        variables: Mapping[str, object],
        fence: Fence,
        *,
        writer: str,
        continues: bool = False,
    ) -> GraphQLResult:
        """Executes the mutations; single ones may fail, see `errors`. Raises when none was executed."""
        body = {"query": document, "variables": variables}
        url = self._connection.graphql_url
        reply = await self.post(installation, url, body, fence, writer=writer, continues=continues)
        return self._graphql_result(installation, reply)

    async def graphql_query(
        self, installation: int, document: str, variables: Mapping[str, object]
    ) -> Mapping[str, Any]:
        """Executes a query, which is not paced. Raises unless GitHub returns all of the data."""
        body = {"query": document, "variables": variables}
        reply = await self._send(installation, "POST", self._connection.graphql_url, body=body)
        result = self._graphql_result(installation, reply)
        if result.errors:
            raise Rejected(f"GitHub refused a GraphQL query: {_messages(result.errors)}")
        return result.data

    def _graphql_result(self, installation: int, reply: Reply) -> GraphQLResult:
        answer = reply.json()
        if not isinstance(answer, dict):
            raise Unavailable("GitHub's GraphQL response is not an object.")
        listed = answer.get("errors")
        errors = [error for error in listed if isinstance(error, dict)] if isinstance(listed, list) else []
        if any(_is_rate_limit(error) for error in errors):
            raise self._limited(installation, self._graphql_limit(reply))
        if any(error.get("type") == "FORBIDDEN" for error in errors):
            self._tokens.renew(installation, None, _PERMISSIONS_SETTLE)
        data = answer.get("data")
        if isinstance(data, dict):
            return GraphQLResult(data, errors)
        if any(error.get("type") or error.get("extensions") for error in errors):
            raise Rejected(f"GitHub refused a GraphQL document: {_messages(errors)}")
        reason = _messages(errors) or "no reason given"
        raise Unavailable(f"GitHub did not execute a GraphQL document: {reason}")

    @asynccontextmanager
    async def stream(self, installation: int, path: str) -> AsyncIterator[httpx.Response]:
        """A read whose body the caller streams."""
        self._rate_limits.check(installation)
        authorization = await self._authorization(installation)
        try:
            async with self._connection.open("GET", path, authorization, headers=_AS_IT_IS) as answer:
                yield answer
        except (Unauthorized, Forbidden) as error:
            if not self._renewed(installation, authorization, error):
                raise
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
            except (Unauthorized, Forbidden) as error:
                if installation is None or not self._renewed(installation, authorization, error):
                    raise
                # A rejected request was not executed, so a write may be sent again.
                authorization = await self._authorization(installation)
                reply = await send(authorization)
        except RateLimited as limited:
            raise self._limited(installation, limited) from None
        remaining = reply.headers.get("x-ratelimit-remaining", "")
        if installation is not None and remaining.isdecimal():
            self._metrics.github_rate_limit(installation, int(remaining))
        return reply

    def permissions_changed(self, installation: int) -> None:
        """Makes the next request use a token with the current permissions."""
        self._tokens.forget(installation)

    def _renewed(self, installation: int, authorization: str, error: Unauthorized | Forbidden) -> bool:
        """Drops the token, unless it is too young to lack a permission; whether another one may succeed."""
        minimum_age = timedelta(0) if isinstance(error, Unauthorized) else _PERMISSIONS_SETTLE
        return self._tokens.renew(installation, authorization, minimum_age)

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


def _page(path: str, reply: Reply, key: str | None) -> tuple[list[Any], int | None]:
    """The rows of a page, and the length of the whole list, if it is part of the response."""
    body = reply.json()
    rows = body if key is None else dig(body, key)
    if not isinstance(rows, list):
        raise Unavailable(f"GitHub's response to {path} is not a list.")
    return rows, number(body, "total_count")


def _next_query(reply: Reply) -> Mapping[str, str] | None:
    """The query of the next page's link. Its host is ignored, so that the token is sent nowhere else."""
    url = httpx.Response(200, headers=dict(reply.headers)).links.get("next", {}).get("url")
    return None if url is None else dict(parse_qsl(urlsplit(url).query))


def _messages(errors: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(str(error.get("message", "")) for error in errors)[:500]
