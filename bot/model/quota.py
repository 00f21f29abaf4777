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
    makes_room: bool = False
    """Whether previews that are idle for longest sleep when others wait for a slot."""

    def of(self, scope: Scope) -> int | None:
        return {
            Scope.AUTHOR: self.author,
            Scope.REPOSITORY: self.repository,
            Scope.INSTALLATION: self.installation,
        }[scope]


NO_CAPS = Caps()


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


SHOWN_POSITIONS = 10
"""Larger positions are not shown: each change would be a write for every pull request in the queue."""


def queue_positions(candidates: Iterable[Candidate], caps: Caps) -> dict[str, QueuePosition | None]:
    """Positions of all queued previews by key, in order of request; None for one that can take a slot now.

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
    positions: dict[str, QueuePosition | None] = {}
    for candidate in sorted(queue, key=lambda waiting: (waiting.requested_at, waiting.key)):
        full = [
            (scope, cap)
            for scope in candidate.scopes
            if (cap := caps.of(scope[0])) is not None and taken[scope] >= cap
        ]
        positions[candidate.key] = None
        if full:
            scope, cap = full[0]
            positions[candidate.key] = QueuePosition(before[scope] + 1, scope[0], taken[scope], cap)
        (before if full else taken).update(candidate.scopes)
    return positions


def queue_position(key: str, candidates: Iterable[Candidate], caps: Caps) -> QueuePosition | None:
    """Position of the preview in the queue; None if it has a slot or can take one now."""
    return queue_positions(candidates, caps).get(key)


def affected_by(changed: Candidate, candidates: Sequence[Candidate], caps: Caps) -> list[str]:
    """Keys of the queued previews that can start, or whose shown position may differ, after a change.

    `changed` got or released a slot, joined or left the queue; `candidates` are as they are afterwards.
    """
    by_key = {candidate.key: candidate for candidate in candidates}
    capped = {scope for scope in changed.scopes if caps.of(scope[0]) is not None}

    def affects(candidate: Candidate, position: QueuePosition) -> bool:
        """Its cap, or a narrower one that was full before, is one of the changed candidate's."""
        kinds = [kind for kind, _ in candidate.scopes]
        return not capped.isdisjoint(candidate.scopes[: kinds.index(position.scope) + 1])

    return [
        key
        for key, position in queue_positions(candidates, caps).items()
        if position is None or (position.position <= SHOWN_POSITIONS and affects(by_key[key], position))
    ]
