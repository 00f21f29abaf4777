"""A pull request as it was read from GitHub at one moment."""

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
    """Whose repository the head is in; "" when it was deleted."""
    archived: bool = False
    """The repository is read-only: nothing can be merged."""
    closed_at: datetime | None = None
    merge_commit: str | None = None
    """What the base branch got when it was merged; what GitHub names before that is a trial, and not read."""

    @property
    def from_fork(self) -> bool:
        """A head that is not provably in this repository counts as a fork."""
        return self.head_repository_id != self.repository.id


@dataclass(frozen=True, slots=True)
class Review:
    """What a reviewer said last."""

    by: str
    approved: bool
    commit: str
