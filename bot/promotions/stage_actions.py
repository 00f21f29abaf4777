"""Changes that users and `.greenroom.yml` request of a stage and its promotions. Pure; they raise Refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.model.promotion import (
    ACTIVE,
    PENDING,
    Approval,
    Hold,
    Lock,
    Pin,
    Promotion,
    PromotionKind,
    PromotionState,
    StageRecord,
    Successor,
)
from bot.model.protection import Protection
from bot.model.reason import Reported
from bot.model.times import format_time
from bot.promotions import protection as environment
from bot.promotions.active_states import returning, roll_back
from bot.promotions.approvals import (
    ApprovalRequest,
    approval_count,
    for_other,
    missing_approvals,
    objection,
    plan_digest,
    requirement,
    valid_approvals,
)
from bot.promotions.pipeline import policy, stage_in
from bot.promotions.reasons import (
    AnalysisSkipped,
    Approved,
    EndedBy,
    HeldBy,
    Paused,
    RequestedEvent,
    Resumed,
    RolledBackFrom,
    StageDeleted,
    UserAction,
)
from bot.promotions.refusals import (
    AlreadyOnHold,
    AlreadyPaused,
    LockedByOther,
    LockTooLong,
    PromotionProblem,
    PromotionRefusal,
    Refusal,
    StageActive,
    StageIsLocked,
    StageProblem,
    StageRefusal,
)
from bot.promotions.stage_aggregate import STATE_TIMEOUTS, StageAggregate, active_lock, rollback_target

DEFAULT_LOCK = timedelta(hours=1)
LONGEST_LOCK = timedelta(days=14)
_PAUSE = timedelta(days=7)
"""How long a promotion may be paused before it times out."""

State = PromotionState


def request(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """Adds a promotion; idempotent."""
    if promotion.id in aggregate.promotions:
        return aggregate
    to = promotion.release if promotion.kind is PromotionKind.ROLLBACK else None
    event = RequestedEvent(promotion.kind, promotion.stage.name, to.id if to is not None else "")
    by, state = promotion.requested_by, promotion.state.value
    return aggregate.with_event(promotion, now, event, by).record(
        promotion.id, now, "requested", by=by, reason=promotion.note, after=state
    )


def remove(aggregate: StageAggregate, promotion_id: str | None, by: str, now: datetime) -> StageAggregate:
    """Deletes a stage that is no longer configured; `promotion_id` brought its current release."""
    name, target = aggregate.stage.name, aggregate.stage.target
    if target is None:
        raise Refusal(StageRefusal(StageProblem.NOTHING_RUNS, name))
    if aggregate.stage.active_promotion is not None:
        raise Refusal(StageActive(name, aggregate.stage.active_promotion, ""))
    if promotion_id is not None:
        removed = replace(aggregate.promotions[promotion_id], removed_by=by)
        aggregate = aggregate.with_event(removed, now, StageDeleted(name), by)
    aggregate = aggregate.record(promotion_id or "", now, "removed", by=by, before=target.release.id)
    aggregate = aggregate.set_target(None, now, promotion_id or "")
    return aggregate.with_stage(replace(aggregate.stage, verified=(), lock=None, hold=None, pin=None))


def pin(aggregate: StageAggregate, promotion: Promotion, pin: Pin, now: datetime) -> StageAggregate:
    """Requests the release to which `.greenroom.yml` pins the demo."""
    aggregate = request(aggregate, promotion, now)
    return aggregate.with_stage(replace(aggregate.stage, pin=replace(pin, promotion=promotion.id)))


def record_pin(aggregate: StageAggregate, pin: Pin | None, now: datetime) -> StageAggregate:
    """Stores a pin that cannot be followed yet, or that the demo is no longer pinned."""
    before = aggregate.stage.pin
    if pin == before:
        return aggregate
    return aggregate.with_stage(replace(aggregate.stage, pin=pin)).record(
        "",
        now,
        "pinned" if pin is not None else "unpinned",
        reason=pin.problem if pin is not None else "",
        before=before.release if before is not None else "",
        after=pin.release if pin is not None else "",
    )


def begin_rollback(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """Aborts the active promotion, or returns the stage to its last verified target."""
    name, by = aggregate.stage.name, promotion.requested_by
    if promotion.id in aggregate.promotions:
        return aggregate
    _require_unlocked(aggregate, by, now)
    if (active := aggregate.active_promotion) is not None:
        return abort(aggregate, active, by, "rollback", now)
    running = aggregate.stage.target
    if running is None:
        raise Refusal(StageRefusal(StageProblem.NOTHING_RUNS, name))
    verified = rollback_target(aggregate.stage)
    if verified is None:
        raise Refusal(StageRefusal(StageProblem.NO_VERIFIED_RELEASE, name))
    target = verified.target
    rollback = replace(
        promotion,
        kind=PromotionKind.ROLLBACK,
        release=target.release,
        policy=target.configuration,
        configuration=target.configuration,
        rollback_target=target,
        placed_hold=True,
    )
    aggregate = request(aggregate, rollback, now)
    for other in list(aggregate.promotions.values()):
        if other.automatic and other.state in PENDING:
            reason = EndedBy(by, UserAction.ROLLED_BACK, name)
            aggregate = aggregate.transition(other, State.SUPERSEDED, now, reason)
    if aggregate.is_verified(running):
        aggregate = aggregate.succeed(Successor(target.release.id, by), now).revoke_verification(running)
    aggregate = aggregate.hold(now, RolledBackFrom(by, running.release.id), by, promotion.id)
    back = replace(returning(target, running), cluster=running.cluster)  # a rollback is not a move
    aggregate = aggregate.set_target(back, now, promotion.id)
    return aggregate.transition(aggregate.promotions[promotion.id], State.ROLLING_BACK, now, by=by)


def approve(
    aggregate: StageAggregate,
    promotion: Promotion,
    given: ApprovalRequest,
    protection: Protection,
    now: datetime,
) -> StageAggregate:
    """`protection`: the current rules."""
    release, by, teams = promotion.release, given.by, given.teams
    open_ = promotion.state in PENDING or promotion.awaits_plan
    if open_ and release is not None:
        aggregate = environment.follow(aggregate, promotion, protection, now)
        promotion = aggregate.promotions[promotion.id]
    needed = requirement(promotion)
    if needed is None or release is None or not open_:
        raise _refusal(PromotionProblem.NOT_AWAITING_APPROVAL, promotion)
    if (other := for_other(promotion, given)) is not None:
        raise Refusal(other)
    if (invalid := objection(promotion, needed, by, teams)) is not None:
        raise Refusal(invalid)
    own = [valid for valid in valid_approvals(promotion, needed, now) if valid.by.lower() == by.lower()]
    if any(set(teams) <= set(approval.teams) for approval in own):
        return aggregate
    digest = promotion.configuration_digest
    approval = Approval(by, now, release.id, digest, teams, plan_digest(promotion))
    others = tuple(other for other in promotion.approvals if other.by.lower() != by.lower())
    promotion = replace(promotion, approvals=(*others, approval))
    number = approval_count(promotion, needed, now)
    count = needed.count if needed.of_pipeline(teams) else 0
    event = Approved(number, count, promotion.stage.name if needed.of_environment(by, teams) else "")
    missing = tuple(map(aggregate.describe, missing_approvals(promotion, now)))
    text = aggregate.describe(event)
    aggregate = aggregate.record(promotion.id, now, "approved", by=by, reason=text, after=release.id)
    return aggregate.with_event(replace(promotion, missing=missing), now, event, by)


def reject(
    aggregate: StageAggregate, promotion: Promotion, by: str, reason: str, now: datetime
) -> StageAggregate:
    if promotion.state not in PENDING:
        raise _refusal(PromotionProblem.CANNOT_REJECT, promotion)
    ended = EndedBy(by, UserAction.REJECTED, promotion.stage.name, reason)
    return aggregate.transition(promotion, State.REJECTED, now, ended, by)


def abort(
    aggregate: StageAggregate, promotion: Promotion, by: str, reason: str, now: datetime
) -> StageAggregate:
    """Ends a promotion; rolls back what an active one changed."""
    ended = EndedBy(by, UserAction.ABORTED, promotion.stage.name, reason)
    if promotion.state in PENDING:
        return aggregate.transition(promotion, State.ABORTED, now, ended, by)
    if promotion.state not in ACTIVE:
        raise _refusal(PromotionProblem.ENDED, promotion)
    if promotion.state is State.ROLLING_BACK:
        raise Refusal(StageRefusal(StageProblem.ROLLING_BACK, promotion.stage.name))
    kept = promotion.rollback_target is None and not policy(promotion).ephemeral
    ended = replace(ended, stage_kept=kept)
    aggregate = aggregate.transition(promotion, State.ABORTED, now, ended, by)
    return roll_back(aggregate, aggregate.promotions[promotion.id], now, ended, by)


def pause(aggregate: StageAggregate, promotion: Promotion, by: str, now: datetime) -> StageAggregate:
    if promotion.state not in PENDING | ACTIVE or promotion.state is State.ROLLING_BACK:
        raise _refusal(PromotionProblem.CANNOT_PAUSE, promotion)
    if promotion.paused_by:
        raise Refusal(AlreadyPaused(promotion.id, promotion.paused_by))
    paused = replace(promotion, paused_by=by, paused_at=now, deadline=now + _PAUSE)
    return aggregate.record(promotion.id, now, "paused", by=by).with_event(paused, now, Paused(), by)


def resume(aggregate: StageAggregate, promotion: Promotion, by: str, now: datetime) -> StageAggregate:
    paused_automatically = (
        promotion.state is State.ROLLING_OUT and promotion.rollout and promotion.rollout.paused
    )
    if not paused_automatically and (not promotion.paused_by or promotion.paused_at is None):
        raise _refusal(PromotionProblem.NOT_PAUSED, promotion)
    deadline = now + STATE_TIMEOUTS[promotion.state]
    if promotion.state is State.SOAKING:
        deadline += policy(promotion).soak
    count = promotion.resumed + 1
    resumed = replace(promotion, paused_by="", paused_at=None, deadline=deadline, resumed=count)
    return aggregate.record(promotion.id, now, "resumed", by=by).with_event(resumed, now, Resumed(), by)


def skip_analysis(
    aggregate: StageAggregate, promotion: Promotion, by: str, may_skip: bool, now: datetime
) -> StageAggregate:
    """The candidate gets all traffic after its checks, without further looks at the metrics."""
    if not may_skip:
        raise Refusal(StageRefusal(StageProblem.MAY_NOT_SKIP, promotion.stage.name))
    moving = promotion.state in (State.DEPLOYING, State.ROLLING_OUT)
    if not moving or not stage_in(promotion.configuration, promotion.stage.name).rollout.progressive:
        raise _refusal(PromotionProblem.NOTHING_TO_SKIP, promotion)
    if promotion.paused_by:
        raise Refusal(AlreadyPaused(promotion.id, promotion.paused_by))
    if promotion.analysis_skipped_by:
        return aggregate
    skipped = replace(promotion, analysis_skipped_by=by)
    aggregate = aggregate.record(promotion.id, now, "skipped", by=by, before="analysis")
    return aggregate.with_event(skipped, now, AnalysisSkipped(), by)


def lock(aggregate: StageAggregate, by: str, until: datetime, reason: str, now: datetime) -> StageAggregate:
    _require_unlocked(aggregate, by, now)
    if until > now + LONGEST_LOCK:
        raise Refusal(LockTooLong(LONGEST_LOCK.days))
    active = aggregate.active_promotion
    if active is not None and active.requested_by.lower() != by.lower():
        raise Refusal(StageActive(aggregate.stage.name, active.id, active.requested_by))
    stage = replace(aggregate.stage, lock=Lock(by, now, until, reason))
    after = f"until {format_time(until, year=True)}"
    return aggregate.with_stage(stage).record("", now, "locked", by=by, reason=reason, after=after)


def unlock(aggregate: StageAggregate, by: str, may_take: bool, now: datetime) -> StageAggregate:
    """`may_take`: whether the user may lift another user's lock."""
    lock = aggregate.stage.lock
    if lock is None or now >= lock.until:
        raise Refusal(StageRefusal(StageProblem.NOT_LOCKED, aggregate.stage.name))
    if lock.by.lower() != by.lower() and not may_take:
        raise Refusal(LockedByOther(aggregate.stage.name, lock.by))
    unlocked = aggregate.with_stage(replace(aggregate.stage, lock=None))
    return unlocked.record("", now, "unlocked", by=by, before=f"locked by {lock.by}")


def hold(aggregate: StageAggregate, by: str, reason: str, now: datetime) -> StageAggregate:
    if aggregate.stage.hold is not None:
        raise Refusal(AlreadyOnHold(aggregate.stage.name, aggregate.stage.hold.reason))
    return aggregate.hold(now, Reported(reason) if reason else HeldBy(by), by, "")


def unhold(
    aggregate: StageAggregate,
    by: str,
    now: datetime,
    latest: Promotion | None = None,
    again: Promotion | None = None,
) -> StageAggregate:
    """`latest`: the newest automatic promotion; `again` repeats it if only the hold blocked it."""
    stage = aggregate.stage
    if stage.hold is None:
        raise Refusal(StageRefusal(StageProblem.NOT_ON_HOLD, stage.name))
    last = stage.verified[-1].promotion if stage.verified else ""
    # A pinned release that failed is tried again.
    pin = stage.pin if stage.pin is None or stage.pin.promotion == last else None
    lifted = aggregate.with_stage(replace(stage, hold=None, pin=pin))
    lifted = lifted.record("", now, "unhold", by=by, before=stage.hold.reason)
    missed = latest is not None and _was_held(latest, stage.hold) and not _runs(stage, latest)
    return request(lifted, again, now) if again is not None and missed else lifted


def _was_held(promotion: Promotion, hold: Hold) -> bool:
    """Whether it ended during the hold, without a decision of a user about it or about its release."""
    if promotion.pinned or promotion.since < hold.since:
        return False
    if promotion.state is State.REJECTED:
        return any(gate.name == "hold" and not gate.passed for gate in promotion.gates)
    return promotion.state in (State.SUPERSEDED, State.EXPIRED)


def _runs(stage: StageRecord, promotion: Promotion) -> bool:
    release, target = promotion.release, stage.target
    return release is not None and target is not None and target.release.id == release.id


def _require_unlocked(aggregate: StageAggregate, by: str, now: datetime) -> None:
    lock = active_lock(aggregate.stage, by, now)
    if lock is not None:
        raise Refusal(StageIsLocked(aggregate.stage.name, lock.by, lock.until, lock.reason))


def _refusal(problem: PromotionProblem, promotion: Promotion) -> Refusal:
    return Refusal(PromotionRefusal(problem, promotion.id, promotion.state, promotion.stage.name))
