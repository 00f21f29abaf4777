"""Requirements of a promotion: each gate is a pure predicate that passes or gives its reason."""

from __future__ import annotations

from collections.abc import Mapping

from bot.model.parity import PARITY_GATE
from bot.model.promotion import GateResult
from bot.promotions.gates import cluster, environment, infrastructure, review, stage
from bot.promotions.gates.case import Gate, GateInput
from bot.promotions.gates.infrastructure import PLAN_GATE
from bot.promotions.gates.review import shows_fork

__all__ = ["GateInput", "evaluate", "shows_fork"]

GATES: Mapping[str, Gate] = {
    "after": stage.after,
    "fork": review.fork,
    "closed": review.closed,
    PARITY_GATE: stage.parity,
    "authors": review.authors,
    "protected": review.protected,
    "reviews": review.reviews,
    "approvers": review.approvers,
    "checks": review.checks,
    "preview.checks": review.preview_checks,
    "environment": environment.environment,
    "branches": environment.branches,
    "behind": stage.behind,
    "host": stage.host,
    "cluster": cluster.cluster,
    "hold": stage.hold,
    "drift": stage.drift,
    "lock": stage.lock,
    "freeze": stage.freeze,
    "wait": environment.wait,
    "free": stage.free,
    PLAN_GATE: infrastructure.plan,
}
"""Gates by name, in display order."""


def evaluate(gate_input: GateInput) -> tuple[GateResult, ...]:
    return tuple(_result(name, gate, gate_input) for name, gate in GATES.items())


def _result(name: str, gate: Gate, gate_input: GateInput) -> GateResult:
    verdict = gate(gate_input)
    reason = gate_input.aggregate.describe(verdict.reason) if verdict.reason is not None else ""
    return GateResult(name, verdict.passed, reason, verdict.final, verdict.until)
