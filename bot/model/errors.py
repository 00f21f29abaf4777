"""Errors that cross packages. Their messages are shown to users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


class GreenroomError(Exception):
    """The base of expected errors: reported by their message, without a traceback."""


class Superseded(GreenroomError):
    """The desired state changed, or another worker holds the key: the current work must stop."""


class Unavailable(GreenroomError):
    """A service did not respond, or its rate limit is used up.

    `at` is the earliest time for a retry; None means the queue's backoff.
    """

    def __init__(self, message: str, at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = at


class Deferred(Unavailable):
    """A write waits for its turn. This is not a failure: at `retry_at` it is planned again."""


class Rejected(GreenroomError):
    """A service rejected a request; a retry would have the same result. `detail` is plain text to quote."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ImmutableField(Rejected):
    """Kubernetes does not change fields of an existing object."""

    def __init__(self, message: str, kind: str, name: str, fields: tuple[str, ...]) -> None:
        super().__init__(message)
        self.kind = kind
        self.name = name
        self.fields = fields


class ConfigurationError(Rejected):
    """`.greenroom.yml` is invalid; the message names line and field."""


class ManifestRefused(Rejected):
    """The guard rejects an object; the message names file, kind and name."""


class ManifestsRefused(ManifestRefused):
    """Mistakes in several objects. The message shows the first ones, `mistakes` has all of them."""

    _SHOWN = 10

    def __init__(self, mistakes: Sequence[str]) -> None:
        hidden = len(mistakes) - self._SHOWN
        more = [f"… and {hidden} more kinds of mistakes, which the check run lists."] if hidden > 0 else []
        super().__init__("\n".join([*mistakes[: self._SHOWN], *more]))
        self.mistakes = tuple(mistakes)


class StoreUnavailable(Unavailable):
    """The database is unavailable; nothing was written."""
