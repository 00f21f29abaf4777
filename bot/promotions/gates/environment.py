"""Gates that the GitHub Environment of the stage's name asks for."""

from __future__ import annotations

from bot.model.promotion import GateResult
from bot.model.times import format_time
from bot.promotions.gates.case import GateInput, passed, rejected, unreadable
from bot.promotions.protection import admits, branch_rules_text, wait_ends_at


def environment(case: GateInput) -> GateResult:
    """The rules of the GitHub Environment of the stage's name are known, and can be kept."""
    protection, name = case.facts.protection, case.aggregate.stage.name
    if protection is None:
        why = f"the rules of the GitHub Environment {name} cannot be read, which counts as a no"
        return unreadable("environment", f"{why} (`greenroom doctor` tells whether a permission is missing)")
    if protection.unsupported_rules:
        told = ", ".join(protection.unsupported_rules)
        return rejected(
            "environment",
            f"the GitHub Environment {name} has a rule that only GitHub's own workflows can keep: {told}",
        )
    return passed("environment")


def branches(case: GateInput) -> GateResult:
    protection, branch = case.facts.protection, case.facts.branch
    if protection is None or not protection.restricts_branches:
        return passed("branches")
    if branch is None:
        return unreadable("branches", "the branch of the release cannot be read, which counts as none")
    if admits(protection, branch):
        return passed("branches")
    where = f"on {branch.name}" if branch.name else "on no branch of the repository"
    name, rules = case.aggregate.stage.name, branch_rules_text(protection)
    only = f"the GitHub Environment {name} takes releases of {rules} only"
    return rejected("branches", f"{only}, and this one is {where}")


def wait(case: GateInput) -> GateResult:
    until = wait_ends_at(case.promotion)
    if case.now >= until:
        return passed("wait")
    why = f"the GitHub Environment {case.aggregate.stage.name} makes it wait until {format_time(until)}"
    return GateResult("wait", passed=False, reason=why, until=until)
