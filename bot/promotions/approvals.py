"""Who may say yes to a promotion, and how long a yes counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.model.promotion import Approval, Promotion
from bot.model.protection import Reviewers
from bot.promotions.pipeline import policy

VALIDITY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ApprovalRequirement:
    """Whose yes a promotion needs. Both words count: the pipeline's and the GitHub Environment's."""

    count: int
    """How many people, by the pipeline's word."""
    teams: tuple[str, ...]
    """From these teams only; without teams, anybody who may write."""
    reviewers: Reviewers | None
    """One of these as well, by the environment's word."""

    def of_pipeline(self, teams: Sequence[str]) -> bool:
        return self.count > 0 and (not self.teams or bool(set(teams) & set(self.teams)))

    def of_environment(self, by: str, teams: Sequence[str]) -> bool:
        who = self.reviewers
        if who is None:
            return False
        return any(_same(by, person) for person in who.users) or bool(set(teams) & set(who.teams))


def requirement(promotion: Promotion) -> ApprovalRequirement | None:
    """None when nobody's yes is needed, and before it is known what is."""
    if not promotion.policy:
        return None
    approvals, reviewers = policy(promotion).approvals, promotion.protection.reviewers
    if approvals is None:
        return ApprovalRequirement(0, (), reviewers) if reviewers is not None else None
    return ApprovalRequirement(approvals.count, approvals.teams, reviewers)


def relevant_teams(promotion: Promotion) -> list[str]:
    """All teams of which it matters who is in them."""
    needed = requirement(promotion)
    if needed is None:
        return []
    reviewers = needed.reviewers.teams if needed.reviewers is not None else ()
    return list(dict.fromkeys([*needed.teams, *reviewers]))


def objection(promotion: Promotion, needed: ApprovalRequirement, by: str, teams: Sequence[str]) -> str | None:
    """Why this person's approval would not count; None when it would."""
    if _same(by, promotion.requested_by):
        return "whoever asked for a promotion cannot approve it"
    if any(_same(by, author) for author in promotion.authors):
        return "an author of its commits cannot approve it"
    if needed.of_pipeline(teams) or needed.of_environment(by, teams):
        return None
    told = []
    if needed.teams:
        told.append(f"from the team {' or '.join(needed.teams)}")
    if needed.reviewers is not None:
        name = promotion.stage.name
        told.append(f"from {needed.reviewers}, whom the GitHub Environment {name} names")
    return f"approvals count {' and '.join(told)} only"


def valid_approvals(promotion: Promotion, needed: ApprovalRequirement, now: datetime) -> list[Approval]:
    """Those that hold now: for this release with this configuration, of people who may, not too old."""
    return [
        each
        for each in promotion.approvals
        if _is_for(each, promotion)
        and now < each.at + VALIDITY
        and objection(promotion, needed, each.by, each.teams) is None
    ]


def approval_count(promotion: Promotion, needed: ApprovalRequirement, now: datetime) -> int:
    """How many of those that the pipeline asks for are there."""
    yes = valid_approvals(promotion, needed, now)
    return len({each.by.lower() for each in yes if needed.of_pipeline(each.teams)})


def missing_approvals(promotion: Promotion, now: datetime) -> tuple[str, ...]:
    """What still has to be approved and by whom, in sentences; none when nothing has to."""
    needed = requirement(promotion)
    if needed is None:
        return ()
    told = []
    found = approval_count(promotion, needed, now)
    if found < needed.count:
        whose = f" by the team {' or '.join(needed.teams)}" if needed.teams else ""
        told.append(f"{found} of {needed.count} approval{'' if needed.count == 1 else 's'}{whose}")
    who = needed.reviewers
    if who is not None and not any(
        needed.of_environment(each.by, each.teams) for each in valid_approvals(promotion, needed, now)
    ):
        told.append(f"the GitHub Environment {promotion.stage.name} wants the yes of {who}")
    return tuple(told)


def is_approved(promotion: Promotion, now: datetime) -> bool:
    return not missing_approvals(promotion, now)


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
