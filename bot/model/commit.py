"""A commit as GitHub shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    by: str
    """The author's login, or the name in Git if GitHub has no account for it."""
    authors: tuple[str, ...]
    """Logins of author, co-authors and committer, as far as GitHub has accounts for them."""
