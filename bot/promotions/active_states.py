"""Transitions of an active promotion: deploying, verifying, soaking, rolling back. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.model.clusters import Placement
from bot.model.environment import CheckState
from bot.model.plan import PlannedChange
from bot.model.promotion import Promotion, PromotionKind, PromotionState
from bot.model.reason import Reported
from bot.model.release import Target
from bot.model.rollout import RolloutReport
from bot.model.secret import secret_versions, unpinned
from bot.promotions.approvals import (
    is_approved,
    missing_approvals,
    plan_digest,
    requirement,
    valid_approvals,
)
from bot.promotions.facts import Facts, RolloutProgress, RolloutState
from bot.promotions.pipeline import policy, stage_in, stage_namespace
from bot.promotions.reasons import (
    CheckFailed,
    PlanMade,
    PromotionFailed,
    PromotionReason,
    RolloutNotice,
    StepStarted,
)
from bot.promotions.stage_aggregate import STATE_TIMEOUTS, StageAggregate

State = PromotionState
Failure = tuple[PromotionReason, str]
"""Reason and detail."""


def begin(
    aggregate: StageAggregate, promotion: Promotion, placement: Placement, now: datetime
) -> StageAggregate:
    """Sets the stage's target to the promotion's release."""
    assert promotion.release is not None, "gates pass only with a release"
    stage, record = stage_in(promotion.configuration, promotion.stage.name), aggregate.stage
    namespace = stage_namespace(promotion.configuration, promotion, record.namespace, record.target)
    rollback_target = None if stage.ephemeral else aggregate.last_verified()
    if rollback_target is not None:
        # After a failed move the stage returns to what still runs on the cluster that it left.
        rollback_target = replace(rollback_target, cluster=placement.present or placement.cluster)
    target = Target(
        promotion.release,
        promotion.configuration,
        0,
        promotion.replaces_objects,
        cluster=placement.cluster,
        plan=plan_digest(promotion) if requirement(promotion) is not None else "",
        module=promotion.plan.module if promotion.plan is not None else None,
    )
    moved_from = placement.present if placement.moves else ""
    return (
        aggregate.with_stage(replace(record, namespace=namespace))
        .set_target(target, now, promotion.id)
        .transition(
            replace(
                promotion,
                rollback_target=rollback_target,
                moved_from=moved_from,
                checks=(),
                url=None,
                secrets={},
            ),
            State.DEPLOYING,
            now,
        )
    )


def deploying(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    progress = facts.progress
    promotion = _with_secrets(promotion, progress)
    aggregate, promotion = _with_rollout(aggregate, promotion, progress.rollout, now)
    if (failure := _failure(facts)) is not None:
        return fail(aggregate, promotion, now, *failure)
    if progress.state is RolloutState.IN_PROGRESS:
        steps = promotion.rollout is not None and bool(promotion.rollout.results)
        if steps and promotion.state is State.DEPLOYING:
            return aggregate.transition(promotion, State.ROLLING_OUT, now)
        return _await_plan(aggregate, promotion, facts, now) or _wait(aggregate, promotion, facts)
    return aggregate.transition(
        replace(promotion, checks=progress.checks, url=progress.url), State.VERIFYING, now
    )


rolling_out = deploying


def _with_secrets(promotion: Promotion, progress: RolloutProgress) -> Promotion:
    """Records the versions of the secrets that its release runs with, also of those rotated meanwhile."""
    if not progress.secrets:
        return promotion
    return replace(promotion, secrets=secret_versions(progress.secrets))


def _with_rollout(
    aggregate: StageAggregate, promotion: Promotion, rollout: RolloutReport | None, now: datetime
) -> tuple[StageAggregate, Promotion]:
    """Follows the rollout of the target: each step and pause is an event and an audit entry."""
    before = promotion.rollout
    if rollout is None or rollout == before:
        return aggregate, promotion
    promotion = replace(promotion, rollout=rollout)
    for step in rollout.results[len(before.results) if before is not None else 0 :]:
        event = StepStarted(step.weight)
        text = aggregate.describe(event)
        aggregate = aggregate.record(promotion.id, now, "step", reason=text, after=f"{step.weight} %")
        aggregate = aggregate.with_event(promotion, now, event)
        promotion = aggregate.promotions[promotion.id]
    for kind, text in (("paused", rollout.paused), ("corrected", rollout.remark)):
        recorded = before is not None and text in (before.paused, before.remark)
        if text and not recorded:
            aggregate = aggregate.record(promotion.id, now, kind, reason=text)
            aggregate = aggregate.with_event(promotion, now, RolloutNotice(text))
            promotion = aggregate.promotions[promotion.id]
    return aggregate.with_promotion(promotion), promotion


def verifying(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    promotion = _with_secrets(promotion, facts.progress)
    aggregate, promotion = _with_rollout(aggregate, promotion, facts.progress.rollout, now)
    if facts.progress.state is not RolloutState.IN_PROGRESS:
        promotion = replace(promotion, checks=facts.progress.checks)
    if (failure := _failure(facts)) is not None:
        return fail(aggregate, promotion, now, *failure)
    if facts.progress.state is not RolloutState.VERIFIED:
        return _wait(aggregate, promotion, facts)
    soak = policy(promotion).soak
    if not soak:
        return _succeed(aggregate, promotion, now)
    aggregate = aggregate.transition(promotion, State.SOAKING, now)
    promotion = aggregate.promotions[promotion.id]
    return aggregate.with_promotion(replace(promotion, deadline=promotion.deadline + soak))


def soaking(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    promotion = _with_secrets(promotion, facts.progress)
    if (failure := _failure(facts)) is not None:
        return fail(aggregate, promotion, now, *failure)
    if now < soak_ends_at(promotion) or facts.progress.state is not RolloutState.VERIFIED:
        return _wait(aggregate, promotion, facts)
    return _succeed(aggregate, promotion, now)


def soak_ends_at(promotion: Promotion) -> datetime:
    return promotion.since + policy(promotion).soak


def _succeed(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    aggregate = aggregate.verify(promotion, now).transition(promotion, State.SUCCEEDED, now)
    return aggregate.set_target(None, now, promotion.id) if policy(promotion).ephemeral else aggregate


def fail(
    aggregate: StageAggregate, promotion: Promotion, now: datetime, reason: PromotionReason, detail: str = ""
) -> StageAggregate:
    """Rolls the stage back and places a hold."""
    failed = replace(promotion, detail=detail)
    if promotion.state is State.ROLLING_BACK:
        return aggregate.transition(failed, State.ROLLBACK_FAILED, now, reason)
    aggregate = aggregate.transition(failed, State.FAILED, now, reason)
    failed = aggregate.promotions[promotion.id]
    release_id = promotion.release.id if promotion.release is not None else ""
    return roll_back(aggregate, failed, now, PromotionFailed(release_id, failed.reason), "")


def roll_back(
    aggregate: StageAggregate, promotion: Promotion, now: datetime, reason: PromotionReason, by: str
) -> StageAggregate:
    """From an ended promotion that was active; it stays ended where no verified release exists."""
    if policy(promotion).ephemeral:
        return aggregate.set_target(None, now, promotion.id)
    promotion = replace(promotion, placed_hold=True, missing=())
    aggregate = aggregate.hold(now, reason, by, promotion.id).with_promotion(promotion)
    if promotion.rollback_target is None:
        return aggregate
    target = returning(promotion.rollback_target, aggregate.stage.target)
    aggregate = aggregate.set_target(target, now, promotion.id)
    return aggregate.transition(promotion, State.ROLLING_BACK, now, Reported(promotion.reason), by)


def returning(target: Target, running: Target | None) -> Target:
    """The target of a rollback: what replaced objects is undone by replacing them."""
    replaces_objects = running is not None and running.replaces_objects
    return replace(target, replaces_objects=replaces_objects, rollback=True, plan="")


def rolling_back(
    aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime
) -> StageAggregate:
    promotion = replace(promotion, current_secrets=unpinned(facts.progress.secrets))
    if promotion.kind is PromotionKind.ROLLBACK:
        promotion = _with_secrets(promotion, facts.progress)
    if (failure := _failure(facts)) is not None:
        reason, detail = failure
        return aggregate.transition(replace(promotion, detail=detail), State.ROLLBACK_FAILED, now, reason)
    if facts.progress.state is not RolloutState.VERIFIED:
        return _await_plan(aggregate, promotion, facts, now) or _wait(aggregate, promotion, facts)
    back = replace(promotion, url=facts.progress.url)
    cause = Reported(promotion.reason) if promotion.reason else None
    return aggregate.transition(back, State.ROLLED_BACK, now, cause)


def _failure(facts: Facts) -> Failure | None:
    progress = facts.progress
    if progress.state is RolloutState.FAILED and progress.reason is not None:
        return progress.reason, progress.detail
    for check in progress.checks:
        if check.state is CheckState.FAILED:
            return CheckFailed(check.name, check.summary), check.detail
    return None


def _await_plan(
    aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime
) -> StageAggregate | None:
    """Follows a plan of the deployment that waits for an approval; None while there is none."""
    planned, target = facts.progress.plan, aggregate.stage.target
    if planned is None or target is None:
        return None
    if planned != promotion.plan:
        aggregate = follow_plan(aggregate, promotion, planned, now)
        promotion = aggregate.promotions[promotion.id]
        # An approval needs as much time as before a deployment.
        deadline = max(promotion.deadline, now + STATE_TIMEOUTS[State.AWAITING_APPROVAL])
        promotion = replace(promotion, deadline=deadline)
    if is_approved(promotion, now):
        aggregate = aggregate.set_target(replace(target, plan=planned.digest), now, promotion.id)
        return _wait(aggregate, replace(promotion, missing=()), facts)
    missing = tuple(map(aggregate.describe, missing_approvals(promotion, now)))
    return _wait(aggregate, replace(promotion, missing=missing), facts)


def follow_plan(
    aggregate: StageAggregate, promotion: Promotion, planned: PlannedChange, now: datetime
) -> StageAggregate:
    """Approvals of another plan no longer count."""
    before, needed = plan_digest(promotion), requirement(promotion)
    revoked = needed is not None and bool(valid_approvals(promotion, needed, now))
    changed = planned.digest != before
    event = PlanMade(planned.summary, revoked=revoked and changed)
    since = now if changed else promotion.content_since
    promotion = replace(promotion, plan=planned, content_since=since)
    text = aggregate.describe(event)
    aggregate = aggregate.record(promotion.id, now, "plan", reason=text, before=before[:12], after=planned.id)
    return aggregate.with_event(promotion, now, event)


def _wait(aggregate: StageAggregate, promotion: Promotion, facts: Facts) -> StageAggregate:
    """Keeps the state; records for what the stage waits."""
    reason = facts.progress.reason
    waiting_for = aggregate.describe(reason) if reason is not None else ""
    return aggregate.with_promotion(replace(promotion, waiting_for=waiting_for))
