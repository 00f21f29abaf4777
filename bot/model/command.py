"""Comments that contain commands."""

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
    """The pull request's head when the comment was received, and since when."""
    head_since: datetime | None
    answer: str | None
    """Id of the answer; None before it is written, "" while that is unconfirmed."""
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
