"""Who may stand on the cluster when there is not room for all: first come, first served. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Admission(StrEnum):
    """Whether a preview has a place on the cluster. It keeps the place until nothing of it is left."""

    NONE = "none"
    QUEUED = "queued"
    """All is prepared, and it waits for its turn."""
    ADMITTED = "admitted"


class Scope(StrEnum):
    """What a cap counts together."""

    AUTHOR = "author"
    REPOSITORY = "repository"
    INSTALLATION = "installation"


@dataclass(frozen=True, slots=True)
class Caps:
    """How many previews may stand at once, of each scope; None is no cap."""

    author: int | None = None
    repository: int | None = None
    installation: int | None = None

    def of(self, scope: Scope) -> int | None:
        return {
            Scope.AUTHOR: self.author,
            Scope.REPOSITORY: self.repository,
            Scope.INSTALLATION: self.installation,
        }[scope]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A preview that has a place or wants one."""

    key: str
    repository_id: int
    author: str
    requested_at: datetime
    admission: Admission

    @property
    def scopes(self) -> Sequence[tuple[Scope, object]]:
        """What it counts in, the narrowest first: that is the cap that its people can do something about."""
        return (
            (Scope.AUTHOR, self.author.lower()),
            (Scope.REPOSITORY, self.repository_id),
            (Scope.INSTALLATION, None),
        )


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """Why it is not a preview's turn yet."""

    position: int
    """Among those that wait for the same cap."""
    scope: Scope
    running: int
    cap: int


def queue_position(key: str, candidates: Iterable[Candidate], caps: Caps) -> QueuePosition | None:
    """None when the preview has a place, or may take one now.

    Whoever came before it and may start has as good as started; whoever waits for a cap that does not
    concern it does not hold it up.
    """
    taken: Counter[tuple[Scope, object]] = Counter()
    queue = []
    for candidate in candidates:
        if candidate.admission is Admission.ADMITTED:
            taken.update(candidate.scopes)
        else:
            queue.append(candidate)
    before: Counter[tuple[Scope, object]] = Counter()
    for candidate in sorted(queue, key=lambda each: (each.requested_at, each.key)):
        full = [
            (scope, cap)
            for scope in candidate.scopes
            if (cap := caps.of(scope[0])) is not None and taken[scope] >= cap
        ]
        if candidate.key == key:
            if not full:
                return None
            scope, cap = full[0]
            return QueuePosition(before[scope] + 1, scope[0], taken[scope], cap)
        (before if full else taken).update(candidate.scopes)
    return None
