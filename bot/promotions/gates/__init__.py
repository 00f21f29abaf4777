"""What a promotion has to pass: each gate is a pure predicate that lets it through, or says why not."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.promotion import GateResult
from bot.promotions.gates import environment, review, stage
from bot.promotions.gates.case import Gate, GateInput
from bot.promotions.gates.review import shows_fork

__all__ = ["GateInput", "evaluate", "shows_fork"]

GATES: Sequence[Gate] = (
    stage.after,
    review.fork,
    review.closed,
    stage.parity,
    review.authors,
    review.protected,
    review.reviews,
    review.checks,
    environment.environment,
    environment.branches,
    stage.host,
    stage.hold,
    stage.lock,
    stage.freeze,
    environment.wait,
    stage.free,
)
"""In the order in which they are told."""


def evaluate(case: GateInput) -> tuple[GateResult, ...]:
    return tuple(gate(case) for gate in GATES)
