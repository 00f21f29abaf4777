"""A preview that sleeps: its workloads are stopped, its data stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SleepCause(StrEnum):
    """Why a preview sleeps."""

    REQUESTED = "requested"
    IDLE = "idle"
    """No requests for the configured time."""
    SCHEDULE = "schedule"
    CAP = "cap"
    """Another preview needed its slot."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """The request to stop the workloads of one commit. A push ends it: the new head is another commit."""

    commit: str
    cause: SleepCause = SleepCause.REQUESTED
    by: str = ""
    """The user who requested it; "" for a decision of the bot."""
    idle_since: datetime | None = None
    """When it was used last, for a decision of the bot."""
