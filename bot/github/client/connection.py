"""Connection pool to GitHub's API, through githubkit: single requests, no retries, no stored tokens."""

from __future__ import annotations

import functools
import json
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

import httpx
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from githubkit import UnauthAuthStrategy
from githubkit.auth.app import AppAuth
from githubkit.cache import MemCacheStrategy
from githubkit.core import GitHubCore
from githubkit.exception import GitHubException, RequestError, RequestFailed, RequestTimeout

from bot.clients.failures import address_of, no_connection
from bot.clients.proxies import Proxies
from bot.clients.reachability import Reachability
from bot.clients.transport import ProxyTransport
from bot.clients.trust import public_authorities, untrusted
from bot.github.client.failures import failure
from bot.model.errors import Rejected, Unavailable

JSON = "application/vnd.github+json"
_SECONDS = httpx.Timeout(15.0, connect=5.0, pool=30.0)
_MAX_RESPONSE_BYTES = 16 * 1024 * 1024
_API_VERSION = "2022-11-28"

Params = Mapping[str, str | int]


class CallMetrics(Protocol):
    def github_call(self, method: str, status: int | None) -> None:
        """Counts one request; `status` is None when no response was received."""

    def github_rate_limit(self, installation: int, remaining: int) -> None: ...


class NoCallMetrics:
    """No-op implementation."""

    def github_call(self, method: str, status: int | None) -> None: ...

    def github_rate_limit(self, installation: int, remaining: int) -> None: ...


NO_METRICS = NoCallMetrics()


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete response. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    cached: bool = False
    """Unchanged since an earlier read, whose headers these are."""

    def json(self) -> Any:
        """Raises Unavailable when the body is not JSON: it comes from a proxy, not from GitHub."""
        try:
            return json.loads(self.content)
        except ValueError:
            raise Unavailable(
                "The response is not JSON, so it does not come from GitHub. Check the proxy and the API URL."
            ) from None


class _Core(GitHubCore[UnauthAuthStrategy]):
    """githubkit opens a pool for each request; this class keeps one for the process."""

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


@functools.cache
def _parsed_key(private_key: str) -> str:
    """The key as PyJWT uses it: parsing takes 30 ms of the event loop. Invalid text fails in use."""
    try:
        return cast(str, load_pem_private_key(private_key.encode(), password=None))
    except (ValueError, TypeError):
        return private_key


class Connection:
    """Raises Unavailable or Rejected for every error response; the messages contain no token or key."""

    def __init__(
        self,
        api_url: str,
        app_id: int,
        private_key: str,
        clock: Callable[[], datetime],
        ca_file: str | None = None,
        metrics: CallMetrics = NO_METRICS,
        proxies: Proxies | None = None,
    ) -> None:
        verify = public_authorities() if ca_file is None else ssl.create_default_context()
        if ca_file is not None:
            verify.load_verify_locations(cafile=ca_file)
        self._core = _Core(
            UnauthAuthStrategy(),
            base_url=api_url,
            user_agent="greenroom",
            timeout=_SECONDS,
            trust_env=False,
            ssl_verify=verify,  # or httpx loads the authorities once more, which is slow
            async_transport=ProxyTransport(proxies or Proxies.from_environment(), verify),
            # By default githubkit shares signed tokens of an App id across the process.
            cache_strategy=MemCacheStrategy(),
            http_cache=False,
            auto_retry=False,
        )
        self._key = AppAuth(self._core, app_id, _parsed_key(private_key))
        self._clock = clock
        self._metrics = metrics
        self._reachability = Reachability("GitHub")
        base = str(self._core.config.base_url)
        # Enterprise Server serves REST at /api/v3 and GraphQL at /api/graphql.
        self.graphql_url = re.sub(r"/v3/$", "/graphql", base) if base.endswith("/api/v3/") else "/graphql"

    async def close(self) -> None:
        await self._core.close()

    def app_authorization(self) -> str:
        """Header value with the App's JWT, which is valid for minutes and renewed when it expires."""
        try:
            return f"Bearer {self._key.get_jwt()}"
        except (ValueError, TypeError, GitHubException):
            raise Rejected(
                "GREENROOM_GITHUB_PRIVATE_KEY is not a valid private key. Set it to the App's key."
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
        """Sends one request and reads the response, of at most 16 MiB."""
        opened = self.open(method, path, authorization, headers=headers, params=params, body=body, form=form)
        async with opened as response:
            content = bytearray()
            async for chunk in _chunks(response):
                content += chunk
                if len(content) > _MAX_RESPONSE_BYTES:
                    raise Rejected(f"GitHub's response to {method} {path} is larger than 16 MiB.")
            return Reply(response.status_code, _lower(response.headers), bytes(content))

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
        """The response with its body unread; an empty `authorization` is not sent.

        Redirects are followed; another host does not receive the token.
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
            self._metrics.github_call(method, response.status_code)
            if response.status_code >= 500:
                self._reachability.failed(f"status {response.status_code}")
            else:
                self._reachability.answered()
            raise failure(
                f"{method} {path}",
                response.status_code,
                _lower(response.headers),
                response.content,
                self._clock(),
            ) from None
        except RequestTimeout:
            self._metrics.github_call(method, None)
            self._reachability.failed("no answer in time")
            raise Unavailable(f"GitHub did not answer {method} {path} in time.") from None
        except RequestError as error:
            self._metrics.github_call(method, None)
            unreachable = _unreachable(error)
            self._reachability.failed(unreachable)
            raise unreachable from None
        raw = answer.raw_response
        self._metrics.github_call(method, raw.status_code)
        self._reachability.answered()
        try:
            yield raw
        finally:
            await raw.aclose()


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_bytes():
            yield chunk
    except httpx.HTTPError as error:
        raise Unavailable(f"GitHub's response was interrupted ({type(error).__name__}).") from None


def _unreachable(error: RequestError[Any]) -> Unavailable:
    # Only connection errors are quoted: other messages could contain parts of the request.
    if isinstance(error.exc, httpx.ProxyError):
        return Unavailable(f"GitHub cannot be reached: the proxy answered {error.exc}.")
    if isinstance(error.exc, httpx.ConnectError):
        problem = untrusted("GitHub", "GREENROOM_GITHUB_CA_FILE", error.exc)
        reason = no_connection(address_of(error.exc.request.url), error.exc)
        return Unavailable(f"GitHub cannot be reached: {problem or reason}.")
    return Unavailable(f"GitHub cannot be reached ({type(error.exc).__name__}).")


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
