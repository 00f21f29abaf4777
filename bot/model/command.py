"""Commands: in comments, and from pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.person import Person
from bot.model.repository import Repository


@dataclass(frozen=True, slots=True)
class PageCommand:
    """What a signed-in user confirmed on a page: the same command, without a comment."""

    by: Person
    text: str
    """The line that a comment would contain."""
    shown_at: datetime
    """When the page that was confirmed was rendered."""


@dataclass(frozen=True, slots=True)
class RecordedCommand:
    repository: Repository
    number: int
    comment_id: int
    """Negative for a command from a page."""
    digest: str
    received_at: datetime
    head: str | None
    """The pull request's head when the comment was received, and since when."""
    head_since: datetime | None
    answer: str | None
    """Id of the answer; None before it is written, "" while that is unconfirmed."""
    finished: bool
    page: PageCommand | None = None
    """None for a command in a comment."""

    @property
    def token(self) -> str:
        """Identifies the request: what has this token is executed once, and the audit log keeps it."""
        return f"comment/{self.comment_id}" if self.page is None else f"page/{-self.comment_id}"


@dataclass(frozen=True, slots=True)
class PostedComment:
    """A comment as GitHub shows it."""

    body: str
    author: str
    by_bot: bool
    created_at: datetime
    number: int | None
    """Number of its pull request."""
