"""Answers requests for previews that have no route, and wakes those that are asleep.

The gateway routes all hosts of the base domain here that no route names. An address that belongs to no
preview gets the same answer whatever exists.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import structlog
from cachetools import TTLCache
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from bot.environments.views import environment_view
from bot.model.environment import RUNNING, EndReason, Environment, EnvironmentKey, EnvironmentState
from bot.model.errors import GreenroomError
from bot.model.naming import host_label, preview_of
from bot.web.waker_page import CONTENT_SECURITY_POLICY, WakerPage

_log = structlog.get_logger(__name__)

_READS_PER_SECOND = 50.0
"""Reads of the store per second, for all addresses together; requests above it get 503."""
_READ_SECONDS = 1.0
"""How long what was read is used for further requests to the same address."""
_MAX_READ = 1000
_RETRY_SECONDS = 5
_GATEWAY_LAG = timedelta(seconds=30)
"""How long after a deployment the gateway may not follow the preview's route yet."""
_NEVER_RAN = (EndReason.FORK, EndReason.SKIPPED, EndReason.UNCONFIGURED)


class Previews(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...

    async def wake(self, key: EnvironmentKey, reason: str, by: str = "") -> bool:
        """Starts the workloads again. False for a preview that is not asleep."""


class Shown(StrEnum):
    """What is at an address."""

    UNKNOWN = "unknown"
    DELETED = "deleted"
    FAILED = "failed"
    ASLEEP = "asleep"
    STARTING = "starting"


@dataclass(frozen=True, slots=True)
class Domains:
    """The domains of previews, without port; equal if forks have none of their own."""

    own: str
    fork: str


def shown(environment: Environment | None, now: datetime) -> Shown:
    """The result of a request for the preview's address. Pure.

    The gateway also routes requests here whose path no route of a running preview has.
    """
    if environment is None:
        return Shown.UNKNOWN
    status, pull = environment.status, environment.attempt.pull_request
    if status.state is EnvironmentState.REFUSED or status.end in _NEVER_RAN:
        return Shown.UNKNOWN
    if status.end is not None:
        return Shown.DELETED
    if pull is not None and environment.overrides.sleeps_at(pull.head_sha):
        return Shown.ASLEEP
    ended = [record.finished_at for record in status.phases.values() if record.finished_at is not None]
    if status.state in RUNNING and now - max(ended, default=environment.updated_at) > _GATEWAY_LAG:
        return Shown.UNKNOWN
    return Shown.FAILED if status.state is EnvironmentState.FAILED else Shown.STARTING


def is_host_of(environment: Environment, host: str, domains: Domains) -> bool:
    """Whether the environment has this host, or a further host of this form. Pure."""
    label, _, domain = host.partition(".")
    own = label.rpartition("--")[2]
    pull = environment.attempt.pull_request
    allowed = domains.fork if pull is not None and pull.from_fork else domains.own
    return domain == allowed and own == host_label(environment.key, environment.repository)


class Waker:
    """The ASGI application of the second port. It reads no body, and nothing but host and `Accept`."""

    def __init__(
        self,
        previews: Previews,
        domains: Domains,
        page: WakerPage,
        require_active: Callable[[], None],
        clock: Callable[[], datetime],
    ) -> None:
        """`require_active` raises a GreenroomError while another store works."""
        self._previews = previews
        self._domains = domains
        self._page = page
        self._require_active = require_active
        self._clock = clock
        self._read: TTLCache[EnvironmentKey, Environment | None] = TTLCache(_MAX_READ, _READ_SECONDS)
        self._budget = Budget(_READS_PER_SECOND)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._require_active()
            response = await self._respond(headers)
        except GreenroomError as error:
            _log.warning("request for a preview not answered", reason=str(error))
            response = _retry("The preview cannot be looked up now.")
        await response(scope, receive, send)

    async def _respond(self, headers: Headers) -> Response:
        host = _host(headers.get("host", ""))
        key = preview_of(host.partition(".")[0])
        if key is not None and key not in self._read and not self._budget.take():
            return _retry("Too many requests at once.")
        environment = await self._environment(key) if key is not None else None
        if environment is not None and not is_host_of(environment, host, self._domains):
            environment = None
        at_address = shown(environment, self._clock())
        if environment is not None and at_address is Shown.ASLEEP:
            self._read.pop(environment.key, None)
            if await self._previews.wake(environment.key, "A request woke the preview."):
                _log.info("preview woken by a request", environment=str(environment.key))
        return self._response(
            at_address, environment, is_browser="text/html" in headers.get("accept", "").lower()
        )

    async def _environment(self, key: EnvironmentKey) -> Environment | None:
        if key not in self._read:
            self._read[key] = await self._previews.get(key)
        return self._read[key]

    def _response(self, at_address: Shown, environment: Environment | None, *, is_browser: bool) -> Response:
        status = 404 if at_address in (Shown.UNKNOWN, Shown.DELETED) else 503
        headers = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
        if at_address in (Shown.ASLEEP, Shown.STARTING):
            headers["Retry-After"] = str(_RETRY_SECONDS)
        if not is_browser:
            return PlainTextResponse(f"{self._page.title(at_address)}.\n", status, headers)
        headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        if environment is None or at_address is Shown.UNKNOWN:
            return HTMLResponse(self._page.render(at_address, None, ()), status, headers)
        view = environment_view(environment, (), None, self._clock())
        steps = view.steps if at_address is Shown.STARTING else ()
        return HTMLResponse(self._page.render(at_address, environment.key, steps), status, headers)


class Budget:
    """Allows a number of actions per second, and twice as many at once after a pause."""

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._now = now
        self._left = 2 * per_second
        self._since = now()

    def take(self) -> bool:
        """Whether one more action is allowed, which then counts."""
        now = self._now()
        self._left = min(self._left + (now - self._since) * self._per_second, 2 * self._per_second)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _host(header: str) -> str:
    """The host without port, in lower case."""
    return header.partition(":")[0].rstrip(".").lower()


def _retry(message: str) -> Response:
    headers = {"Cache-Control": "no-store", "Retry-After": "1"}
    return PlainTextResponse(f"{message} Repeat the request.\n", 503, headers)
