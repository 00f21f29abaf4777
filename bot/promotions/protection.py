"""Rules of the GitHub Environment that has the stage's name. Pure.

GitHub enforces them only for jobs of its own workflows; an App enforces them for its own deployments.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.config.patterns import branch_matches
from bot.model.promotion import Promotion
from bot.model.protection import Branch, Protection
from bot.promotions.approvals import requirement, valid_approvals
from bot.promotions.reasons import RulesChanged
from bot.promotions.stage_aggregate import StageAggregate


def follow(
    aggregate: StageAggregate, promotion: Promotion, protection: Protection, now: datetime
) -> StageAggregate:
    """Applies the current rules to the promotion; they may revoke approvals."""
    before, name = promotion.protection, promotion.stage.name
    if protection == before:
        return aggregate
    changed = replace(promotion, protection=protection)
    revoked = tuple(sorted(_approvers(promotion, now) - _approvers(changed, now)))
    event, describe = RulesChanged(name, protection, revoked), aggregate.describe
    rules_before, rules_after = (describe(RulesChanged("", rules, ())) for rules in (before, protection))
    return aggregate.record(
        promotion.id, now, "protection", reason=describe(event), before=rules_before, after=rules_after
    ).with_event(changed, now, event)


def _approvers(promotion: Promotion, now: datetime) -> set[str]:
    """Users whose approval counts."""
    needed = requirement(promotion)
    if needed is None:
        return set()
    return {approval.by for approval in valid_approvals(promotion, needed, now)}


def wait_ends_at(promotion: Promotion) -> datetime:
    """When the wait timer has elapsed."""
    return promotion.requested_at + promotion.protection.wait


def admits(protection: Protection, branch: Branch) -> bool:
    """Whether the rules allow releases of this branch."""
    if not branch.name:
        return not protection.restricts_branches
    if protection.protected_branches and not branch.protected:
        return False
    patterns = protection.branches
    return patterns is None or any(branch_matches(branch.name, pattern) for pattern in patterns)
