"""The expiry timer of a preview: it starts with each push, and `/extend` prolongs it. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.model.environment import Status, UserOverrides

MAX_WARNING_PERIOD = timedelta(days=1)


def start(status: Status, now: datetime, time_to_live: timedelta) -> Status:
    """Starts the timer; the warning is due in its last quarter, at most a day before the end."""
    expires_at = now + time_to_live
    warn_at = expires_at - min(MAX_WARNING_PERIOD, time_to_live / 4)
    return replace(status, expires_at=expires_at, warn_at=warn_at, expiring=False)


def apply_extension(status: Status, overrides: UserOverrides, now: datetime) -> Status:
    """Applies a requested extension, and sets whether the warning is due."""
    if status.expires_at is None or status.warn_at is None:
        return status
    expires_at = max(status.expires_at, overrides.extended_until or status.expires_at)
    warn_at = expires_at - (status.expires_at - status.warn_at)
    return replace(status, expires_at=expires_at, warn_at=warn_at, expiring=now >= warn_at)


def clear(status: Status) -> Status:
    """Stops the timer."""
    return replace(status, expires_at=None, warn_at=None, expiring=False)
