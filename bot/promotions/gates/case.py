"""Input and verdict of a gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.config.stages import Stage
from bot.model.parity import Comparison
from bot.model.promotion import Promotion
from bot.model.release import PromotableRelease
from bot.promotions.facts import Facts
from bot.promotions.gate_reasons import CannotRead, GateReason, Unreadable
from bot.promotions.parity import current_comparisons, verified_with
from bot.promotions.stage_aggregate import StageAggregate


@dataclass(frozen=True, slots=True)
class GateInput:
    """Everything that a gate may look at."""

    aggregate: StageAggregate
    promotion: Promotion
    release: PromotableRelease
    stage: Stage
    """The stage's policy at the time of the request."""
    facts: Facts
    now: datetime

    @property
    def parity(self) -> dict[str, Comparison | None]:
        """Current comparison with each previous stage that verified the release; None if not compared yet."""
        before = verified_with(self.stage.after, self.aggregate.siblings, self.release.id)
        return current_comparisons(self.promotion, self.release, before, self.facts.parity)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Decision of a gate."""

    passed: bool
    reason: GateReason | None = None
    """Why it does not pass; of a gate that passed: a warning."""
    final: bool = False
    """Waiting does not help: the promotion is rejected."""
    until: datetime | None = None
    """When it passes without further action."""


Gate = Callable[[GateInput], Verdict]

PASSED = Verdict(passed=True)


def rejected(reason: GateReason) -> Verdict:
    return Verdict(passed=False, reason=reason, final=True)


def waiting(reason: GateReason, until: datetime | None = None) -> Verdict:
    return Verdict(passed=False, reason=reason, until=until)


def unreadable(gate: GateInput, subject: Unreadable) -> Verdict:
    """Fails closed until GitHub shows the subject."""
    return waiting(CannotRead(subject, gate.aggregate.stage.name))
