"""Errors from GitHub's error responses: Unavailable (retry) or Rejected (with advice). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.model.times import format_clock

_DEFAULT_PAUSE = timedelta(minutes=1)
"""GitHub's advice for a rate limit response without a time."""
_MAX_MESSAGE = 500


class RateLimited(Unavailable):
    """GitHub accepts no requests of this installation before `at`."""

    def __init__(self, message: str, at: datetime) -> None:
        super().__init__(message, at)
        self.until = at


class NotFound(Rejected):
    """404: the object does not exist, or the App has no access to it."""


class Gone(Rejected):
    """410: the object was deleted, or its feature is disabled in the repository."""


class Unauthorized(Rejected):
    """401: the token or key was rejected."""


class Forbidden(Rejected):
    """403: the token lacks a permission, perhaps one that was granted after its creation."""


def failure(
    request: str, status: int, headers: Mapping[str, str], content: bytes, now: datetime
) -> GreenroomError:
    """The error for a response of 400 or above.

    `request` is method and path; `headers` has lower-case names.
    """
    message = error_message(content)
    if status in (403, 429) and _is_rate_limit(status, headers, message):
        until = _paused_until(headers, now)
        return RateLimited(f"GitHub's rate limit is exhausted until {format_clock(until)}.", until)
    if status == 401:
        return Unauthorized(f"GitHub rejected the credentials for {request}: {message}")
    if status == 403 and "suspended" in message.lower():
        return Rejected("The App's installation is suspended. An owner of the account must unsuspend it.")
    if status == 403:
        return Forbidden(f"GitHub refused {request}: {message}. {_permission_advice(headers)}")
    if status == 404:
        return NotFound(
            f"{request} returned 404: the object was deleted, or the App is no longer installed there."
        )
    if status == 410:
        return Gone(f"{request} returned 410: {message}. It was deleted, or the repository disables it.")
    if status >= 500 or status == 408:
        return Unavailable(f"GitHub answered {status} to {request}.")
    return Rejected(f"GitHub refused {request} with {status}: {message}")


def error_message(content: bytes) -> str:
    """Message and details of an error response; "no reason given" without any."""
    try:
        data = json.loads(content)
    except ValueError:
        return "no reason given"
    if not isinstance(data, dict):
        return "no reason given"
    parts = [str(data.get("message") or "no reason given")]
    errors = data.get("errors")
    for error in errors if isinstance(errors, list) else ():
        parts.append(_detail(error))
    return " ".join(part for part in parts if part)[:_MAX_MESSAGE].rstrip(".")


def _detail(error: object) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or f"{error.get('field', '')} {error.get('code', '')}".strip())


def _is_rate_limit(status: int, headers: Mapping[str, str], message: str) -> bool:
    words = message.lower()
    return (
        status == 429
        or "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in words
        or "abuse detection" in words
    )


def _paused_until(headers: Mapping[str, str], now: datetime) -> datetime:
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdecimal():
        return now + timedelta(seconds=int(after[:6]))
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal() and len(reset) < 12:
        # One more second, because the clocks differ.
        return max(datetime.fromtimestamp(int(reset), UTC), now) + timedelta(seconds=1)
    return now + _DEFAULT_PAUSE


def _permission_advice(headers: Mapping[str, str]) -> str:
    accepted = headers.get("x-accepted-github-permissions", "")
    if accepted:
        return f"The App needs the permission {accepted}. An owner of the account must accept it."
    return "The App may lack a permission that an owner of the account must accept."
