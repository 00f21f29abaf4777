"""Gates for the rules of the GitHub Environment that has the stage's name."""

from __future__ import annotations

from bot.promotions.gate_reasons import BranchNotAllowed, Unreadable, UnsupportedRules, WaitTimer
from bot.promotions.gates.case import PASSED, GateInput, Verdict, rejected, unreadable, waiting
from bot.promotions.protection import admits, wait_ends_at


def environment(gate: GateInput) -> Verdict:
    """The environment's rules are readable and supported."""
    protection = gate.facts.protection
    if protection is None:
        return unreadable(gate, Unreadable.RULES)
    if protection.unsupported_rules:
        return rejected(UnsupportedRules(gate.aggregate.stage.name, protection.unsupported_rules))
    return PASSED


def branches(gate: GateInput) -> Verdict:
    """The release is on a branch that the environment allows."""
    protection, branch = gate.facts.protection, gate.facts.branch
    if protection is None or not protection.restricts_branches:
        return PASSED
    if branch is None:
        return unreadable(gate, Unreadable.BRANCH)
    if admits(protection, branch):
        return PASSED
    return rejected(BranchNotAllowed(gate.aggregate.stage.name, protection, branch))


def wait(gate: GateInput) -> Verdict:
    """The environment's wait timer has elapsed."""
    until = wait_ends_at(gate.promotion)
    return PASSED if gate.now >= until else waiting(WaitTimer(gate.aggregate.stage.name, until), until)
