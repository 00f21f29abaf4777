"""A commit as GitHub tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    by: str
    """The author's login; the name that git has where GitHub knows no account of theirs."""
    authors: tuple[str, ...]
    """Logins of who wrote and who committed it, as far as GitHub knows them."""
