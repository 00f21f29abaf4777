"""What must survive the loss of the store, and the identity of a store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.environment import UserOverrides
from bot.model.promotion import Promotion, StageRecord


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Kept in an annotation of the environment's namespace, which only the bot can write."""

    generation: int
    """The environment's generation when it was taken."""
    overrides: UserOverrides | None = None
    """User overrides of a preview."""
    stage: StageRecord | None = None
    """Record of a stage or demo."""
    promotions: tuple[Promotion, ...] = ()
    """The stage's promotions that have not ended."""


@dataclass(frozen=True, slots=True)
class StoreVersion:
    """Version of an environment in the store; a change raises one of the numbers."""

    generation: int
    revision: int = 0
    """Revision of the stage's record."""


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """Identifies a store; all replicas that share it have the same."""

    id: str
    complete_since: datetime
    """Time since which the store has missed nothing: its creation or restore. What is older on GitHub may
    exist without a record."""
    token: int
    """The last fencing token; smaller in a backup."""
