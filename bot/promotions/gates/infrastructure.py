"""Gate for the infrastructure of a stage: its Terraform plan is made and can be approved."""

from __future__ import annotations

from bot.config.infrastructure import DestroyPolicy
from bot.environments.stage_plans import PlanFailed, PlanPending
from bot.model.promotion import GateResult
from bot.promotions.gate_reasons import PlanForbidden, PlanImpossible, PlanMissing
from bot.promotions.gates.case import PASSED, GateInput, Verdict, rejected, waiting
from bot.promotions.pipeline import infrastructure_in

PLAN_GATE = "plan"


def plan(gate: GateInput) -> Verdict:
    """The plan for the current inputs is known; without it nothing can be approved."""
    settings = infrastructure_in(gate.promotion.configuration, gate.promotion.stage)
    if settings is None:
        return PASSED
    match gate.facts.plan:
        case None:
            return waiting(PlanMissing())
        case PlanPending(message):
            return waiting(PlanMissing(message))
        case PlanFailed(message):
            return rejected(PlanImpossible(message))
        case planned:
            destructive = planned.summary.destructive
            if destructive and settings.destroy is DestroyPolicy.REFUSE:
                return rejected(PlanForbidden(destructive))
            return PASSED


def may_plan(gates: tuple[GateResult, ...]) -> bool:
    """Whether all other requirements are met, so that the module of the release may run.

    Planning runs its code with the operator's credentials. What only takes time does not count.
    """
    others = [gate for gate in gates if gate.name != PLAN_GATE]
    return bool(others) and all(gate.passed or gate.until is not None for gate in others)


def awaits_plan(gates: tuple[GateResult, ...]) -> bool:
    """Whether the plan is all that is missing."""
    return may_plan(gates) and any(gate.name == PLAN_GATE and not gate.passed for gate in gates)
