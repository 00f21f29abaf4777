"""Builds views of stages and pending promotions from what is stored. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.environments.views import shown_cluster
from bot.model.drift import DriftRecord
from bot.model.environment import RUNNING, Environment, EnvironmentState
from bot.model.promotion import PENDING, AuditEntry, Promotion, PromotionState, StageRecord
from bot.model.release import PromotableRelease
from bot.model.secret import secret_versions
from bot.promotions.active_states import soak_ends_at
from bot.promotions.approvals import missing_approvals, requirement
from bot.promotions.stage_aggregate import rollback_target, same_target
from bot.promotions.views import PendingPromotion, StageView

_PROBLEM_STATES = (EnvironmentState.WAITING, EnvironmentState.CHECKS_FAILED, EnvironmentState.FAILED)


def stage_view(
    record: StageRecord,
    environment: Environment | None,
    unfinished: Sequence[Promotion],
    now: datetime,
    *,
    configured: bool = True,
    promotions: Sequence[Promotion] = (),
    drift: DriftRecord | None = None,
    audit: Sequence[AuditEntry] = (),
) -> StageView:
    """`unfinished`: the stage's promotions that have not ended; `promotions`: the newest of all."""
    target, status = record.target, environment.status if environment is not None else None
    state = _state(environment)
    verified_at = [
        entry.at for entry in record.verified if target is not None and same_target(entry.target, target)
    ]
    ordered = sorted(unfinished, key=lambda promotion: (promotion.requested_at, promotion.id))
    pending = {promotion.id: pending_promotion(promotion, now) for promotion in ordered}
    return StageView(
        key=record.key,
        repository=record.repository.full_name,
        configured=configured,
        state=state,
        problem=status.cause.summary if status and status.cause and state in _PROBLEM_STATES else "",
        url=status.url if status is not None and state is not EnvironmentState.PENDING else None,
        cluster=shown_cluster(environment) if environment is not None else "",
        addresses=status.addresses if status is not None and state is not EnvironmentState.PENDING else {},
        release=target.release if target is not None else None,
        running=_running(record, environment, state),
        since=record.since,
        verified_at=verified_at[-1] if verified_at else None,
        active=pending.get(record.active_promotion or ""),
        waiting=tuple(view for id, view in pending.items() if id != record.active_promotion),
        lock=record.lock if record.lock is not None and now < record.lock.until else None,
        hold=record.hold,
        pin=record.pin,
        verified=record.verified[::-1],
        rollback_target=rollback_target(record),
        promotions=tuple(promotions),
        secrets=secret_versions(status.secrets) if status is not None and target is not None else {},
        drift=drift,
        audit=tuple(audit),
    )


def _state(environment: Environment | None) -> EnvironmentState | None:
    if environment is None:
        return None
    # The status is about the target before, until a worker starts the current one.
    is_current = environment.observed_generation == environment.generation
    return environment.status.state if is_current else EnvironmentState.PENDING


def _running(
    record: StageRecord, environment: Environment | None, state: EnvironmentState | None
) -> PromotableRelease | None:
    if environment is None or record.target is None:
        return None
    live, desired = environment.status.live_commit, record.target.release
    if live == desired.commit and (state in RUNNING or environment.status.url is not None):
        return desired
    verified = (entry.target.release for entry in reversed(record.verified))
    return next((release for release in verified if release.commit == live), None)


def pending_promotion(promotion: Promotion, now: datetime) -> PendingPromotion:
    approvable = promotion.state in PENDING or promotion.awaits_plan
    needed = requirement(promotion) if approvable else None
    missing = missing_approvals(promotion, now) if needed is not None else ()
    soaking = promotion.state is PromotionState.SOAKING
    return PendingPromotion(
        promotion=promotion,
        missing=missing,
        until=soak_ends_at(promotion) if soaking else promotion.deadline,
        requirement=needed if missing else None,
    )
