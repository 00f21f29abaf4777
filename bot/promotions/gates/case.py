"""What a gate looks at, and what it may say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.config.stages import Stage
from bot.model.parity import Comparison
from bot.model.promotion import GateResult, Promotion, StageAggregate
from bot.model.release import PromotableRelease
from bot.promotions.facts import Facts
from bot.promotions.parity import current_comparisons, verified_with


@dataclass(frozen=True, slots=True)
class GateInput:
    """All that a gate may look at."""

    aggregate: StageAggregate
    promotion: Promotion
    release: PromotableRelease
    stage: Stage
    """The pipeline's word on the stage, as it was when the promotion was asked for."""
    facts: Facts
    now: datetime

    @property
    def parity(self) -> dict[str, Comparison | None]:
        """What is known, as things are now, of each stage on which the release was verified before."""
        before = verified_with(self.stage.after, self.aggregate.siblings, self.release.id)
        return current_comparisons(self.promotion, self.release, before, self.facts.parity)


Gate = Callable[[GateInput], GateResult]


def passed(name: str) -> GateResult:
    return GateResult(name, passed=True)


def rejected(name: str, why: str) -> GateResult:
    """Waiting does not help."""
    return GateResult(name, passed=False, reason=why, final=True)


def unreadable(name: str, why: str) -> GateResult:
    """What cannot be read counts as a no, until it can."""
    return GateResult(name, passed=False, reason=why)
