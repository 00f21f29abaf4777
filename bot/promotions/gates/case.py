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
from bot.promotions.parity import compared, verified_with


@dataclass(frozen=True, slots=True)
class Case:
    """All that a gate may look at."""

    board: StageAggregate
    promotion: Promotion
    release: PromotableRelease
    stage: Stage
    """The pipeline's word on the stage, as it was when the promotion was asked for."""
    facts: Facts
    now: datetime

    @property
    def parity(self) -> dict[str, Comparison | None]:
        """What is known, as things are now, of each stage on which the release was verified before."""
        before = verified_with(self.stage.after, self.board.siblings, self.release.id)
        return compared(self.promotion, self.release, before, self.facts.parity)


Gate = Callable[[Case], GateResult]


def passed(name: str) -> GateResult:
    return GateResult(name, passed=True)


def refused(name: str, why: str) -> GateResult:
    """Waiting does not help."""
    return GateResult(name, passed=False, why=why, final=True)


def unread(name: str, why: str) -> GateResult:
    """What cannot be read counts as a no, until it can."""
    return GateResult(name, passed=False, why=why)
