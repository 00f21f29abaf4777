"""What a GitHub Environment asks of whoever deploys to it, as its settings say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Reviewers:
    """One of them has to say yes."""

    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    """Of the repository's organisation, as in their addresses."""

    def __str__(self) -> str:
        """Such as `bea, cem or a member of ops`."""
        named = [*self.users, *(f"a member of {team}" for team in self.teams)]
        if len(named) < 2:
            return "".join(named) or "nobody whom GitHub shows"
        return f"{', '.join(named[:-1])} or {named[-1]}"


@dataclass(frozen=True, slots=True)
class Protection:
    """Without any rule where the repository has no such environment."""

    reviewers: Reviewers | None = None
    """None asks for nobody; nobody in it is a rule that nobody can keep."""
    wait: timedelta = timedelta(0)
    """From when the promotion was asked for."""
    protected_branches: bool = False
    """Only what is on a protected branch may come here."""
    branches: tuple[str, ...] | None = None
    """Only what is on a branch that matches one of these patterns; None is no such rule."""
    unsupported_rules: tuple[str, ...] = ()
    """Rules that only GitHub itself can keep, for its own workflows."""

    @property
    def restricts_branches(self) -> bool:
        return self.protected_branches or self.branches is not None


UNPROTECTED = Protection()


@dataclass(frozen=True, slots=True)
class Branch:
    """Where a release is in the repository's history; its name is "" when that is on no branch of it."""

    name: str
    protected: bool = False
