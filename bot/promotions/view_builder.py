"""What there is to tell of a stage and of the promotions that want it, made of what is stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.model.environment import CheckState, Environment, EnvironmentState
from bot.model.promotion import PENDING, AuditEntry, Promotion, PromotionState, StageRecord
from bot.promotions.active_states import soaked_at
from bot.promotions.approvals import ApprovalRequirement, missing_approvals, requirement
from bot.promotions.stage_aggregate import same_target
from bot.promotions.views import PendingPromotion, StageView

_TROUBLED = (EnvironmentState.WAITING, EnvironmentState.FAILED)

State = PromotionState


def stage_view(
    record: StageRecord,
    environment: Environment | None,
    under_way: Sequence[Promotion],
    now: datetime,
    *,
    configured: bool = True,
    promotions: Sequence[Promotion] = (),
    audit: Sequence[AuditEntry] = (),
) -> StageView:
    """`under_way` are the stage's promotions that have not ended."""
    target, status = record.target, environment.status if environment is not None else None
    verified = [
        each.at for each in record.verified if target is not None and same_target(each.target, target)
    ]
    ordered = sorted(under_way, key=lambda each: (each.requested_at, each.id))
    journeys = {each.id: pending_promotion(each, now) for each in ordered}
    return StageView(
        key=record.key,
        repository=record.repository.full_name,
        configured=configured,
        state=status.state if status is not None else None,
        problem=status.cause.summary if status and status.cause and status.state in _TROUBLED else "",
        url=status.url if status is not None else None,
        release=target.release if target is not None else None,
        since=record.since,
        verified_at=verified[-1] if verified else None,
        active=journeys.get(record.active_promotion or ""),
        waiting=tuple(each for id, each in journeys.items() if id != record.active_promotion),
        lock=record.lock if record.lock is not None and now < record.lock.until else None,
        hold=record.hold,
        pin=record.pin,
        verified=record.verified[::-1],
        promotions=tuple(promotions),
        audit=tuple(audit),
    )


def pending_promotion(promotion: Promotion, now: datetime) -> PendingPromotion:
    needed = requirement(promotion) if promotion.state in PENDING else None
    lacking = missing_approvals(promotion, now) if needed is not None else ()
    return PendingPromotion(
        promotion=promotion,
        waits_for=tuple(_waits_for(promotion, lacking)),
        until=soaked_at(promotion) if promotion.state is State.SOAKING else promotion.deadline,
        approvers=_approvers(promotion, needed) if needed is not None and lacking else "",
    )


def _waits_for(promotion: Promotion, lacking: Sequence[str]) -> list[str]:
    state = promotion.state
    found = [f"{promotion.paused_by} paused it"] if promotion.paused_by else []
    if state in PENDING:
        found += [gate.reason for gate in promotion.gates if not gate.passed]
    found += lacking
    running = [each.name for each in promotion.checks if each.state in _RUNNING]
    if state is State.VERIFYING and running:
        found.append(f"still running: {', '.join(running)}")
    return found or [_OTHERWISE[state]]


_RUNNING = (CheckState.QUEUED, CheckState.RUNNING)
_OTHERWISE: Mapping[PromotionState, str] = {
    State.REQUESTED: "its release is looked for",
    State.GATING: "its gates are asked",
    State.AWAITING_APPROVAL: "it goes on in a moment",
    State.QUEUED: "it goes on in a moment",
    State.DEPLOYING: "the rollout is under way",
    State.VERIFYING: "its checks are under way",
    State.SOAKING: "it has to stay well for a time",
    State.ROLLING_BACK: "what was verified there before is brought back",
}


def _approvers(promotion: Promotion, needed: ApprovalRequirement) -> str:
    teams = " or ".join(needed.teams)
    pipeline = f"members of the team {teams}" if teams else "all who may write to the repository"
    asked = [pipeline] * bool(needed.count)
    if needed.reviewers is not None:
        asked.append(f"{needed.reviewers} for the GitHub Environment")
    who = " and ".join(asked)
    authors = [each for each in promotion.authors if each.lower() != promotion.requested_by.lower()]
    told = [f"{promotion.requested_by} (asked for it)"] if promotion.requested_by else []
    told += [f"{each} (wrote it)" for each in authors]
    return f"{who}, but not {' or '.join(told)}" if told else who
