"""Slots for previews, granted in order of request. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Admission(StrEnum):
    """Whether a preview has a slot. It keeps the slot until it is deleted."""

    NONE = "none"
    QUEUED = "queued"
    """Prepared, and waiting for a slot."""
    ADMITTED = "admitted"


class Scope(StrEnum):
    """What a cap applies to."""

    AUTHOR = "author"
    REPOSITORY = "repository"
    INSTALLATION = "installation"


@dataclass(frozen=True, slots=True)
class Caps:
    """Maximum number of previews per scope; None means no cap."""

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
    """A preview that has or requested a slot."""

    key: str
    repository_id: int
    author: str
    requested_at: datetime
    admission: Admission

    @property
    def scopes(self) -> Sequence[tuple[Scope, object]]:
        """Its scopes, the narrowest first, because that is the cap that its users can influence."""
        return (
            (Scope.AUTHOR, self.author.lower()),
            (Scope.REPOSITORY, self.repository_id),
            (Scope.INSTALLATION, None),
        )


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """A preview's position in the queue."""

    position: int
    """Position among those that wait for the same cap."""
    scope: Scope
    running: int
    cap: int


def queue_position(key: str, candidates: Iterable[Candidate], caps: Caps) -> QueuePosition | None:
    """Position of the preview in the queue; None if it has a slot or can take one now.

    Earlier previews that can start count as started. A preview that waits for another cap does not block.
    """
    taken: Counter[tuple[Scope, object]] = Counter()
    queue = []
    for candidate in candidates:
        if candidate.admission is Admission.ADMITTED:
            taken.update(candidate.scopes)
        else:
            queue.append(candidate)
    before: Counter[tuple[Scope, object]] = Counter()
    for candidate in sorted(queue, key=lambda waiting: (waiting.requested_at, waiting.key)):
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
