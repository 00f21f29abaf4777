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


@dataclass(frozen=True, slots=True)
class Failed:
    """A `final` failure stays until the desired state changes; others are retried with backoff."""

    reason: EnvironmentReason
    final: bool
    detail: str = ""


Outcome = Done | Waiting | Failed
