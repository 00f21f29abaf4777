"""The protection rules of a GitHub Environment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Reviewers:
    """Reviewers, one of whom must approve."""

    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    """Slugs of teams in the repository's organisation."""


@dataclass(frozen=True, slots=True)
class Protection:
    """Protection rules; the defaults contain none, as for a missing environment."""

    reviewers: Reviewers | None = None
    """None requires no approval; empty reviewers are a rule that cannot be met."""
    wait: timedelta = timedelta(0)
    """Minimum age of a promotion."""
    protected_branches: bool = False
    """Only releases on a protected branch are admitted."""
    branches: tuple[str, ...] | None = None
    """Only releases on a branch that matches a pattern are admitted; None means no such rule."""
    unsupported_rules: tuple[str, ...] = ()
    """Rules that only GitHub can evaluate, for its workflows."""

    @property
    def restricts_branches(self) -> bool:
        return self.protected_branches or self.branches is not None


UNPROTECTED = Protection()


@dataclass(frozen=True, slots=True)
class Branch:
    """The branch of a release; its name is "" if the release is on no branch."""

    name: str
    protected: bool = False
