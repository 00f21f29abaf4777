"""A pull request, as read from GitHub."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.repository import Repository


@dataclass(frozen=True, slots=True)
class PullRequest:
    repository: Repository
    number: int
    node_id: str
    repository_node_id: str
    title: str
    author: str
    author_is_bot: bool
    open: bool
    merged: bool
    draft: bool
    head_sha: str
    head_ref: str
    head_repository_id: int | None
    """None when the fork was deleted."""
    base_ref: str
    default_branch: str
    labels: tuple[str, ...]
    updated_at: datetime
    head_owner: str = ""
    """Owner of the head's repository; "" if it was deleted."""
    archived: bool = False
    """The repository is read-only: nothing can be merged."""
    closed_at: datetime | None = None
    created_at: datetime | None = None
    """None in records of earlier versions."""
    merge_commit: str | None = None
    """The commit on the base branch after the merge. GitHub's test merge before that is not read."""

    @property
    def from_fork(self) -> bool:
        """A head that is not provably in this repository counts as a fork."""
        return self.head_repository_id != self.repository.id


@dataclass(frozen=True, slots=True)
class Review:
    """A reviewer's last review."""

    by: str
    approved: bool
    commit: str
    submitted_at: datetime | None = None
    """None when GitHub does not show it."""
    base_changed_at: datetime | None = None
    """When the pull request last got another base; None if it never did."""
