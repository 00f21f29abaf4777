"""How a phase ends. A phase never sleeps: it returns what it waits for, and the worker is free again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.environments.reasons import EnvironmentReason


@dataclass(frozen=True, slots=True)
class Done:
    """The phase is complete."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Run again when woken, at the latest at `check_again`; after `until` the wait has failed."""

    reason: EnvironmentReason
    check_again: datetime
    until: datetime
    detail: str = ""
    blocked: bool = False
    """Whether it rarely passes without help, so that it is reported soon."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A `final` failure stays until the desired state or the cluster changes; others are retried."""

    reason: EnvironmentReason
    final: bool
    detail: str = ""
    check_again: datetime | None = None
    """When the cluster may have recovered without an event."""


Outcome = Done | Waiting | Failed
