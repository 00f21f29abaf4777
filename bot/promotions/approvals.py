"""Who may say yes to a promotion, and how long a yes counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.environments.stages import Approvals
from bot.model.promotion import Approval, Promotion

LASTS = timedelta(hours=24)


def objection(promotion: Promotion, needed: Approvals, by: str, teams: Sequence[str]) -> str | None:
    """Why this person's approval would not count; None when it would."""
    if _same(by, promotion.requested_by):
        return "whoever asked for a promotion cannot approve it"
    if any(_same(by, author) for author in promotion.authors):
        return "an author of its commits cannot approve it"
    if needed.teams and not set(teams) & set(needed.teams):
        return f"approvals count from the team {' or '.join(needed.teams)} only"
    return None


def counting(promotion: Promotion, needed: Approvals, now: datetime) -> list[Approval]:
    """Those that hold now: for this release with this configuration, of people who may, not too old."""
    return [
        each
        for each in promotion.approvals
        if _is_for(each, promotion)
        and now < each.at + LASTS
        and objection(promotion, needed, each.by, each.teams) is None
    ]


def enough(promotion: Promotion, needed: Approvals | None, now: datetime) -> bool:
    if needed is None:
        return True
    return len({each.by.lower() for each in counting(promotion, needed, now)}) >= needed.count


def _is_for(approval: Approval, promotion: Promotion) -> bool:
    release = promotion.release
    return (
        release is not None
        and approval.release_id == release.id
        and approval.configuration_digest == promotion.configuration_digest
    )


def _same(one: str, other: str) -> bool:
    """GitHub's logins do not differ by case."""
    return one.lower() == other.lower()
