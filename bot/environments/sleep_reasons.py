"""Reasons about a preview that sleeps."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.sleep import Sleep


@dataclass(frozen=True, slots=True)
class Asleep:
    sleep: Sleep
    address: bool
    """Whether a request for its address wakes it."""


@dataclass(frozen=True, slots=True)
class Waking:
    """The workloads start again."""


@dataclass(frozen=True, slots=True)
class IdleUnknown:
    """`preview.sleep_after` has no effect: nothing counts the requests of this preview."""

    cluster: str
    """The cluster whose gateway has no metrics; "" for the default one."""


SleepReason = Asleep | Waking | IdleUnknown
