"""What the dashboard lists: what needs attention, and environments by filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.model.drift import DriftRecord
from bot.model.environment import Environment, EnvironmentState
from bot.model.promotion import Promotion, StageRecord


@dataclass(frozen=True, slots=True)
class EnvironmentFilter:
    """Conditions that all must hold; an empty one always does."""

    text: str = ""
    """Part of the repository's name, number, stage, title, branch or author, in any case."""
    repository_id: int | None = None
    state: EnvironmentState | None = None
    author: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.author or self.state) or self.repository_id is not None


@dataclass(frozen=True, slots=True)
class Attention:
    """What needs attention. Each list is cut; the counts are complete."""

    environments: Sequence[Environment] = ()
    """Failed, or running with failed checks; the latest change first."""
    environment_count: int = 0
    stages: Sequence[StageRecord] = ()
    """On hold or locked."""
    drifts: Sequence[DriftRecord] = ()
    """Stages whose live objects differ from what was deployed."""
    approvals: Sequence[Promotion] = ()
    """Promotions that wait for an approval, the oldest first."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of environments."""

    environments: Sequence[Environment]
    count: int
    """All environments that match."""
    authors: Sequence[str]
    """Authors of the repositories' environments, for the filter."""


def is_locked(stage: StageRecord, now: datetime) -> bool:
    return stage.lock is not None and now < stage.lock.until
