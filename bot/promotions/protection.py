"""A GitHub Environment's rules in a promotion. Pure.

GitHub keeps them for the jobs of its own workflows only: for what an App deploys, the App has to.
"""

from __future__ import annotations

from datetime import datetime

from bot.config.patterns import branch_matches
from bot.model.durations import format_duration
from bot.model.promotion import Promotion, StageAggregate
from bot.model.protection import Branch, Protection
from bot.promotions import stage_aggregate as on
from bot.promotions.approvals import requirement, valid_approvals


def follow(
    aggregate: StageAggregate, promotion: Promotion, protection: Protection, now: datetime
) -> StageAggregate:
    """The promotion goes by the rules of now; they may make void what was approved before."""
    before, name = promotion.protection, promotion.stage.name
    if protection == before:
        return aggregate
    counted = _yes(promotion, now)
    why = f"the GitHub Environment {name} asks for {rules_text(protection)}"
    aggregate = on.change(aggregate, promotion, protection=protection)
    promotion = aggregate.promotions[promotion.id]
    if void := sorted(counted - _yes(promotion, now)):
        why += f"; the yes of {', '.join(void)} does not count any more"
    aggregate = on.record(
        aggregate,
        promotion.id,
        now,
        "protection",
        why=why,
        before=rules_text(before),
        after=rules_text(protection),
    )
    return on.add_event(aggregate, aggregate.promotions[promotion.id], now, f"{why[:1].upper()}{why[1:]}")


def _yes(promotion: Promotion, now: datetime) -> set[str]:
    needed = requirement(promotion)
    return {each.by for each in valid_approvals(promotion, needed, now)} if needed is not None else set()


def wait_ends_at(promotion: Promotion) -> datetime:
    """When the wait that the rules ask for is over."""
    return promotion.requested_at + promotion.protection.wait


def admits(protection: Protection, branch: Branch) -> bool:
    """Whether what is on this branch may come here."""
    if not branch.name:
        return not protection.restricts_branches
    if protection.protected_branches and not branch.protected:
        return False
    patterns = protection.branches
    return patterns is None or any(branch_matches(branch.name, pattern) for pattern in patterns)


def branch_rules_text(protection: Protection) -> str:
    """Which branches are, for a sentence."""
    told = ["protected branches"] * protection.protected_branches
    if protection.branches is not None:
        named = " or ".join(protection.branches)
        told.append(f"the branch {named}" if named else "no branch")
    return " that are also ".join(told)


def rules_text(protection: Protection) -> str:
    """All rules, for a sentence."""
    rules = []
    if protection.reviewers is not None:
        rules.append(f"a yes of {protection.reviewers}")
    if protection.wait:
        rules.append(f"a wait of {format_duration(protection.wait)}")
    if protection.restricts_branches:
        rules.append(f"releases of {branch_rules_text(protection)} only")
    rules += [f"the rule {name}" for name in protection.unsupported_rules]
    return ", ".join(rules) or "nothing"
