"""Gates that the GitHub Environment of the stage's name asks for."""

from __future__ import annotations

from bot.model.promotion import GateResult
from bot.promotions.gates.case import Case, passed, refused, unread
from bot.promotions.protection import admits, admitted, waited


def environment(case: Case) -> GateResult:
    """The rules of the GitHub Environment of the stage's name are known, and can be kept."""
    protection, name = case.facts.protection, case.board.stage.name
    if protection is None:
        why = f"the rules of the GitHub Environment {name} cannot be read, which counts as a no"
        return unread("environment", f"{why} (`greenroom doctor` tells whether a permission is missing)")
    if protection.others:
        told = ", ".join(protection.others)
        return refused(
            "environment",
            f"the GitHub Environment {name} has a rule that only GitHub's own workflows can keep: {told}",
        )
    return passed("environment")


def branches(case: Case) -> GateResult:
    protection, branch = case.facts.protection, case.facts.branch
    if protection is None or not protection.restricts_branches:
        return passed("branches")
    if branch is None:
        return unread("branches", "the branch of the release cannot be read, which counts as none")
    if admits(protection, branch):
        return passed("branches")
    where = f"on {branch.name}" if branch.name else "on no branch of the repository"
    only = f"the GitHub Environment {case.board.stage.name} takes releases of {admitted(protection)} only"
    return refused("branches", f"{only}, and this one is {where}")


def wait(case: Case) -> GateResult:
    until = waited(case.promotion)
    if case.now >= until:
        return passed("wait")
    why = f"the GitHub Environment {case.board.stage.name} makes it wait until {until:%d %B, %H:%M} UTC"
    return GateResult("wait", passed=False, why=why, until=until)
