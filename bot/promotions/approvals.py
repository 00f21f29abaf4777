"""Rules of approvals: who may approve a promotion, and for how long an approval counts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.model.promotion import Approval, Promotion
from bot.model.protection import Reviewers
from bot.model.release import PromotableRelease
from bot.promotions.pipeline import policy
from bot.promotions.reasons import ApprovalsMissing, EnvironmentApprovalMissing, MissingApproval
from bot.promotions.refusals import ApprovalForOther, ApprovalInvalid, Objection

VALIDITY = timedelta(hours=24)
COMMAND_LINE = "@command-line"
"""Ends the names of the command line's users, which are not verified; no login contains it."""
_DIGITS = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What a user typed to approve a promotion."""

    by: str
    written_at: datetime
    """The earliest time at which it can have been written."""
    teams: tuple[str, ...] = ()
    """The user's teams among the relevant ones."""
    release: str = ""
    """The release's id, or at least seven digits of its commit or plan; "" if it names nothing."""


@dataclass(frozen=True, slots=True)
class Approver:
    """What GitHub reports about an approver now."""

    may_write: bool
    teams: tuple[str, ...] = ()


Approvers = Mapping[str, Approver | None]
"""Approvers by login in lower case; None for those that cannot be read."""


@dataclass(frozen=True, slots=True)
class ApprovalRequirement:
    """Approvals that `.greenroom.yml` and the GitHub Environment require."""

    count: int
    """Required by `.greenroom.yml`."""
    teams: tuple[str, ...]
    """From members of these teams; without teams, from anyone with write access."""
    reviewers: Reviewers | None
    """Reviewers of the GitHub Environment, one of whom must approve as well."""

    def of_pipeline(self, teams: Sequence[str]) -> bool:
        return self.count > 0 and (not self.teams or bool(set(teams) & set(self.teams)))

    def of_environment(self, by: str, teams: Sequence[str]) -> bool:
        if self.reviewers is None:
            return False
        is_reviewer = any(_same_login(by, user) for user in self.reviewers.users)
        return is_reviewer or bool(set(teams) & set(self.reviewers.teams))


def requirement(promotion: Promotion) -> ApprovalRequirement | None:
    """None when no approval is required, and before the policy is known."""
    if not promotion.policy:
        return None
    approvals, reviewers = policy(promotion).approvals, promotion.protection.reviewers
    count = 1 if promotion.plan is not None and promotion.plan.needs_approval else 0
    if approvals is None:
        return ApprovalRequirement(count, (), reviewers) if count or reviewers is not None else None
    return ApprovalRequirement(max(count, approvals.count), approvals.teams, reviewers)


def relevant_teams(promotion: Promotion) -> list[str]:
    """Teams whose members' approvals count."""
    needed = requirement(promotion)
    if needed is None:
        return []
    reviewers = needed.reviewers.teams if needed.reviewers is not None else ()
    return list(dict.fromkeys([*needed.teams, *reviewers]))


def for_other(promotion: Promotion, given: ApprovalRequest) -> ApprovalForOther | None:
    """Why this does not approve what the promotion deploys; None when it does."""
    release, since = promotion.release, promotion.content_since or promotion.since
    assert release is not None, "only a promotion with a release is approved"
    name = given.release.lower()
    other = ApprovalForOther(
        promotion.stage.name, release, plan=promotion.plan.id if promotion.plan is not None else ""
    )
    if name and not (_names(name, release) or _names_plan(name, promotion)):
        return replace(other, named=given.release)
    return None if since < given.written_at else other


def is_release_name(word: str) -> bool:
    """Whether an approval can name a release so: by its id, or by at least seven digits of its commit."""
    return _DIGITS.fullmatch(word.lower()) is not None


def _names(name: str, release: PromotableRelease) -> bool:
    return name == release.id or (is_release_name(name) and release.commit.startswith(name))


def _names_plan(name: str, promotion: Promotion) -> bool:
    plan = promotion.plan
    return plan is not None and is_release_name(name) and plan.digest.startswith(name)


def objection(
    promotion: Promotion, needed: ApprovalRequirement, by: str, teams: Sequence[str]
) -> ApprovalInvalid | None:
    """Why this user's approval does not count; None when it does."""
    if _same_login(by, promotion.requested_by):
        return ApprovalInvalid(Objection.REQUESTER)
    if any(_same_login(by, author) for author in promotion.authors):
        return ApprovalInvalid(Objection.AUTHOR)
    if needed.of_pipeline(teams) or needed.of_environment(by, teams):
        return None
    environment = promotion.stage.name if needed.reviewers is not None else ""
    return ApprovalInvalid(Objection.NOT_APPROVER, needed.teams, needed.reviewers, environment)


def valid_approvals(promotion: Promotion, needed: ApprovalRequirement, now: datetime) -> list[Approval]:
    """Approvals of this release, configuration and plan, from approvers, that have not expired."""
    return [
        approval
        for approval in promotion.approvals
        if _is_for(approval, promotion)
        and now < approval.at + VALIDITY
        and objection(promotion, needed, approval.by, approval.teams) is None
    ]


def approval_count(promotion: Promotion, needed: ApprovalRequirement, now: datetime) -> int:
    """Number of approvals that count for `.greenroom.yml`; those from the command line count as one."""
    valid = valid_approvals(promotion, needed, now)
    return len({_person(approval.by) for approval in valid if needed.of_pipeline(approval.teams)})


def missing_approvals(promotion: Promotion, now: datetime) -> tuple[MissingApproval, ...]:
    needed = requirement(promotion)
    if needed is None:
        return ()
    missing: list[MissingApproval] = []
    given = approval_count(promotion, needed, now)
    if given < needed.count:
        missing.append(ApprovalsMissing(given, needed.count, needed.teams))
    if needed.reviewers is not None and not any(
        needed.of_environment(approval.by, approval.teams)
        for approval in valid_approvals(promotion, needed, now)
    ):
        missing.append(EnvironmentApprovalMissing(promotion.stage.name, needed.reviewers))
    return tuple(missing)


def awaits_approval_of(promotion: Promotion, by: str, teams: Sequence[str], now: datetime) -> bool:
    """Whether an approval is missing that this user, who has write access, can give."""
    needed = requirement(promotion)
    if needed is None or not missing_approvals(promotion, now):
        return False
    given = {approval.by.lower() for approval in valid_approvals(promotion, needed, now)}
    return by.lower() not in given and objection(promotion, needed, by, teams) is None


def is_approved(promotion: Promotion, now: datetime) -> bool:
    return not missing_approvals(promotion, now)


def without_former_approvers(approvals: Sequence[Approval], approvers: Approvers) -> tuple[Approval, ...]:
    """Drops approvals of users who lost write access, and the teams that approvers left."""
    kept = []
    for approval in approvals:
        approver = approvers.get(approval.by.lower())
        if approver is None:
            kept.append(approval)
        elif approver.may_write:
            teams = tuple(team for team in approval.teams if team in approver.teams)
            kept.append(replace(approval, teams=teams))
    return tuple(kept)


def is_confirmed(promotion: Promotion, approvers: Approvers, now: datetime) -> bool:
    """Whether approvals of users whose role and teams were just read suffice."""
    confirmed = [
        approval
        for approval in without_former_approvers(promotion.approvals, approvers)
        if is_operator(approval.by) or approvers.get(approval.by.lower()) is not None
    ]
    return is_approved(replace(promotion, approvals=tuple(confirmed)), now)


def is_operator(by: str) -> bool:
    """Whether the name is of a user of the command line, who has no account on GitHub."""
    return by.endswith(COMMAND_LINE)


def _is_for(approval: Approval, promotion: Promotion) -> bool:
    release = promotion.release
    return (
        release is not None
        and approval.release_id == release.id
        and approval.configuration_digest == promotion.configuration_digest
        and approval.plan == plan_digest(promotion)
    )


def plan_digest(promotion: Promotion) -> str:
    """Digest of the Terraform plan to which approvals are bound; "" without one."""
    return promotion.plan.digest if promotion.plan is not None else ""


def _person(by: str) -> str:
    """Who approved: the operator, whatever name the command line has."""
    return COMMAND_LINE if is_operator(by) else by.lower()


def _same_login(left: str, right: str) -> bool:
    """GitHub's logins are not case-sensitive."""
    return left.lower() == right.lower()
