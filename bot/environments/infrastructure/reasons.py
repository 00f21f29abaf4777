"""Typed reasons that the infrastructure of environments gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from bot.model.environment import EnvironmentKey
from bot.model.infrastructure import RunKind
from bot.model.plan import PlanSummary


class PlainInfrastructureReason(Enum):
    """Reasons without parameters."""

    NOT_OFFERED = auto()
    """The operator has set no image."""
    WITHHELD_FROM_FORK = auto()
    FORK_ON_STAGE = auto()
    NAMESPACE_TERMINATING = auto()
    NO_DEFAULT_BRANCH = auto()
    ABANDONED = auto()


@dataclass(frozen=True, slots=True)
class InfrastructureRunning:
    kind: RunKind
    message: str


@dataclass(frozen=True, slots=True)
class InfrastructureFailed:
    kind: RunKind
    message: str


@dataclass(frozen=True, slots=True)
class InfrastructurePlanned:
    summary: PlanSummary


@dataclass(frozen=True, slots=True)
class InfrastructureApplied:
    """The plan that was applied last."""

    summary: PlanSummary


@dataclass(frozen=True, slots=True)
class PlanNeedsApproval:
    environment: EnvironmentKey
    plan: str
    """The first digits of the plan's digest."""
    summary: PlanSummary
    changed: bool = False
    """Whether another plan was approved."""


@dataclass(frozen=True, slots=True)
class PlanRefused:
    """A destructive plan under `destroy: refuse`."""

    summary: PlanSummary


@dataclass(frozen=True, slots=True)
class OutputsUnusable:
    missing: tuple[str, ...]
    short: tuple[str, ...]
    """Sensitive ones that are too short to be hidden."""


@dataclass(frozen=True, slots=True)
class DestroyFailed:
    """A destroy run failed: nothing is deleted until it succeeds."""

    environment: EnvironmentKey
    failures: int
    message: str
    again: datetime


InfrastructureReason = (
    PlainInfrastructureReason
    | InfrastructureRunning
    | InfrastructureFailed
    | InfrastructurePlanned
    | InfrastructureApplied
    | PlanNeedsApproval
    | PlanRefused
    | OutputsUnusable
    | DestroyFailed
)
