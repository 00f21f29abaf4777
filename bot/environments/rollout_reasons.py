"""Typed reasons that a progressive rollout gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from bot.model.rollout import Look


class PlainRolloutReason(Enum):
    """Reasons without parameters."""

    FIRST_WITH_TRACKS = auto()
    """The pods that run lack the label that distinguishes them from a candidate."""
    FINISHING = auto()
    WEIGHTS_CHANGED = auto()
    """Another client changed a weight; it was restored."""
    WEIGHTS_CHANGED_AGAIN = auto()
    PAUSED = auto()


@dataclass(frozen=True, slots=True)
class NoMetrics:
    """The repository may not choose the metrics provider, or there is none."""

    provider: str | None
    """Name of the provider in `analysis.provider`."""
    granted: tuple[str, ...]
    """The providers that the repository may choose."""


@dataclass(frozen=True, slots=True)
class ObjectsChanged:
    """Another client changed or deleted objects of the candidate; they were restored, once."""

    names: tuple[str, ...]
    """Such as `Deployment/shop-gr0123abcd`."""
    again: bool = False


@dataclass(frozen=True, slots=True)
class CandidateTooLarge:
    """Both revisions together request more than the stage's quota."""

    excess: Mapping[str, tuple[str, str]]
    """Requested and available amount by name."""


@dataclass(frozen=True, slots=True)
class CandidateGrows:
    """The next share of the traffic needs more pods of the candidate."""

    weight: int
    pods: Mapping[str, int]
    """Number of pods by Deployment."""


@dataclass(frozen=True, slots=True)
class StepRunning:
    """The candidate has a share of the traffic and is analysed."""

    weight: int
    looks: int
    of: int


@dataclass(frozen=True, slots=True)
class StableKept:
    """The candidate has all traffic, and the stable revision waits for a rollback."""

    until: datetime


@dataclass(frozen=True, slots=True)
class CandidateWorse:
    """The analysis found the candidate worse than the stable revision."""

    weight: int
    look: Look
    slow: float | None
    """Seconds after which a request counts as slow."""


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """A step was inconclusive about the candidate for this time."""

    weight: int
    after: timedelta
    requests: int
    """Requests to the candidate."""
    stable_requests: int
    needed: int


@dataclass(frozen=True, slots=True)
class MetricsSilent:
    """The metrics provider gave no answer several times in a row."""

    times: int
    error: str


RolloutReason = (
    PlainRolloutReason
    | NoMetrics
    | ObjectsChanged
    | CandidateTooLarge
    | CandidateGrows
    | StepRunning
    | StableKept
    | CandidateWorse
    | Inconclusive
    | MetricsSilent
)
