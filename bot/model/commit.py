"""A commit as GitHub shows it, and its authors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class UnknownRole(StrEnum):
    AUTHOR = "author"
    COMMITTER = "committer"
    CO_AUTHOR = "co-author"
    PUSHER = "pusher"


@dataclass(frozen=True, slots=True, order=True)
class UnknownAuthor:
    """A person who took part in a commit, and whom GitHub attributes to no account."""

    commit: str
    role: UnknownRole


@dataclass(frozen=True, slots=True)
class Authors:
    """Everyone who wrote or pushed some commits."""

    logins: tuple[str, ...] = ()
    unknown: tuple[UnknownAuthor, ...] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    by: str
    """The author's login, or the name in Git if GitHub has no account for it."""
    authors: Authors
