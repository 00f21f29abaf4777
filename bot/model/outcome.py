"""How a phase ends. A worker never sleeps on the world: it says what it waits for and leaves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Waiting:
    """Run again when woken, at the latest at `check_again`; after `until` the wait has failed."""

    reason: str
    check_again: datetime
    until: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """`final` failures stay until the desire changes; others are tried again with backoff."""

    reason: str
    final: bool
    detail: str = ""


Outcome = Done | Waiting | Failed
