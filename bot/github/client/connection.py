"""One connection pool to GitHub's API, through githubkit: single requests, no retries, no tokens kept."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from githubkit import UnauthAuthStrategy
from githubkit.auth.app import AppAuth
from githubkit.cache import MemCacheStrategy
from githubkit.core import GitHubCore
from githubkit.exception import GitHubException, RequestError, RequestFailed, RequestTimeout

from bot.github.client.failures import failure
from bot.github.client.telemetry import CallMetrics, NoCallMetrics
from bot.model.errors import Rejected, Unavailable

JSON = "application/vnd.github+json"
_SECONDS = httpx.Timeout(15.0, connect=5.0, pool=30.0)
_LARGEST_ANSWER = 16 * 1024 * 1024
_API_VERSION = "2022-11-28"

_UNTOLD = NoCallMetrics()

Params = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """Raises TryAgain for what is no JSON: a proxy's page, not GitHub's answer."""
        try:
            return json.loads(self.content)
        except ValueError:
            raise Unavailable(
                "What answered in GitHub's place is not GitHub: the answer is no JSON."
            ) from None


class _Core(GitHubCore[UnauthAuthStrategy]):
    """githubkit would open a pool for each request; this one lives as long as the process."""

    _pool: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def get_async_client(self) -> AsyncGenerator[httpx.AsyncClient, None]:
        if self._pool is None:
            self._pool = await self._create_async_client()
        yield self._pool

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()


class Connection:
    """Raises TryAgain or Rejected for everything that is no success; neither names a token or key."""

    def __init__(
        self,
        api_url: str,
        app_id: int,
        private_key: str,
        clock: Callable[[], datetime],
        ca_file: str | None = None,
        telemetry: CallMetrics = _UNTOLD,
    ) -> None:
        verify: bool | ssl.SSLContext = True
        if ca_file is not None:
            verify = ssl.create_default_context()
            verify.load_verify_locations(cafile=ca_file)
        self._core = _Core(
            UnauthAuthStrategy(),
            base_url=api_url,
            user_agent="greenroom",
            timeout=_SECONDS,
            ssl_verify=verify,
            # Its own: githubkit shares signed tokens of an App id in the whole process otherwise.
            cache_strategy=MemCacheStrategy(),
            http_cache=False,
            auto_retry=False,
        )
        self._key = AppAuth(self._core, app_id, private_key)
        self._clock = clock
        self._telemetry = telemetry
        base = str(self._core.config.base_url)
        # Enterprise Server has REST below /api/v3 and GraphQL beside it.
        self.graphql_url = re.sub(r"/v3/$", "/graphql", base) if base.endswith("/api/v3/") else "/graphql"

    async def close(self) -> None:
        await self._core.close()

    def app_authorization(self) -> str:
        """The header value that proves to be the App; good for minutes, made anew when it is old."""
        try:
            return f"Bearer {self._key.get_jwt()}"
        except (ValueError, TypeError, GitHubException):
            raise Rejected(
                "The App's private key cannot sign: set GREENROOM_GITHUB_PRIVATE_KEY anew."
            ) from None

    async def send(
        self,
        method: str,
        path: str,
        authorization: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request and its whole answer, of at most 16 MiB."""
        opened = self.open(method, path, authorization, headers=headers, params=params, body=body, form=form)
        async with opened as answer:
            content = bytearray()
            async for piece in _pieces(answer):
                content += piece
                if len(content) > _LARGEST_ANSWER:
                    raise Rejected(f"GitHub's answer to {method} {path} is larger than 16 MiB.")
            return Reply(answer.status_code, _lower(answer.headers), bytes(content))

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        authorization: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """The answer with its body unread; an `authorization` of "" is not sent.

        Redirects are followed, to another host without the token.
        """
        sent = {"Accept": JSON, "X-GitHub-Api-Version": _API_VERSION, **(headers or {})}
        if authorization:
            sent["Authorization"] = authorization
        data = None if form is None else dict(form)
        try:
            answer = await self._core.arequest(
                method, path, headers=sent, params=dict(params or {}), json=body, data=data, stream=True
            )
        except RequestFailed as error:
            response = error.response
            self._telemetry.github_call(method, response.status_code)
            raise failure(
                f"{method} {path}",
                response.status_code,
                _lower(response.headers),
                response.content,
                self._clock(),
            ) from None
        except RequestTimeout:
            self._telemetry.github_call(method, None)
            raise Unavailable(f"GitHub did not answer {method} {path} in time.") from None
        except RequestError as error:
            self._telemetry.github_call(method, None)
            raise _unreachable(error) from None
        raw = answer.raw_response
        self._telemetry.github_call(method, raw.status_code)
        try:
            yield raw
        finally:
            await raw.aclose()


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_bytes():
            yield piece
    except httpx.HTTPError as error:
        raise Unavailable(f"GitHub's answer broke off ({type(error).__name__}).") from None


def _unreachable(error: RequestError[Any]) -> Unavailable:
    # Only a connection's failure is quoted: other texts could contain what was sent.
    if isinstance(error.exc, httpx.ConnectError):
        return Unavailable(f"GitHub cannot be reached: {error.exc}.")
    return Unavailable(f"GitHub cannot be reached ({type(error.exc).__name__}).")


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
