"""A comment that reads like a command, as it was heard of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.repository import Repository


@dataclass(frozen=True, slots=True)
class RecordedCommand:
    repository: Repository
    number: int
    comment_id: int
    digest: str
    received_at: datetime
    head: str | None
    """The pull request's head as it was known then, and since when it had been."""
    head_since: datetime | None
    answer: str | None
    """None before it is begun, "" while it is not known whether it was written."""
    finished: bool


@dataclass(frozen=True, slots=True)
class PostedComment:
    """A comment as GitHub shows it."""

    body: str
    author: str
    by_bot: bool
    created_at: datetime
    number: int | None
    """Of the pull request that it is on."""
