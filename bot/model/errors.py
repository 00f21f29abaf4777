"""Errors that cross rooms. Each message is written for the person who reads it."""

from __future__ import annotations

from datetime import datetime


class GreenroomError(Exception):
    """The base of all errors that are told, not traced."""


class Superseded(GreenroomError):
    """The desire changed, or another worker holds the key: whatever is being done must stop now."""


class Unavailable(GreenroomError):
    """A peer did not answer, or asked to be left alone for a while.

    `at` is the earliest useful moment (rate limit); None leaves it to the queue's backoff.
    """

    def __init__(self, message: str, at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = at


class Rejected(GreenroomError):
    """A peer understood and refused; doing the same again gives the same. `detail` is plain text to quote."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ConfigurationError(Rejected):
    """`.greenroom.yml` cannot be used; the message names line and field."""


class ManifestRefused(Rejected):
    """The guard refuses an object; the message names file, kind and name."""


class StoreUnavailable(Unavailable):
    """The database did not take it; nothing was remembered."""
