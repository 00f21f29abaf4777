"""Transitions of a pending promotion: requested, gating, awaiting approval, queued. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.environments.stage_plans import PlanFailed
from bot.model.clusters import Placement
from bot.model.plan import PlannedChange
from bot.model.promotion import ACTIVE, PENDING, Promotion, PromotionState
from bot.promotions import protection as environment
from bot.promotions.active_states import begin, follow_plan
from bot.promotions.approvals import (
    is_approved,
    missing_approvals,
    requirement,
    valid_approvals,
    without_former_approvers,
)
from bot.promotions.facts import Facts
from bot.promotions.gates import GateInput, evaluate
from bot.promotions.parity import PREVIEW
from bot.promotions.pipeline import configuration_digest, infrastructure_in, policy, unknown_target
from bot.promotions.reasons import (
    AlreadyRequested,
    ApprovalRevoked,
    ConfigurationChanged,
    GatesEvaluated,
    NoLongerConfigured,
    ReleaseNotBuilt,
    RequirementsNotMet,
    Superseded,
)
from bot.promotions.stage_aggregate import STATE_TIMEOUTS, StageAggregate

State = PromotionState


def requested(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    if facts.refusal is not None:
        return aggregate.transition(promotion, State.REJECTED, now, facts.refusal)
    if facts.configuration is None:
        return aggregate
    configuration = facts.configuration.configuration
    place = configuration.find_stage(promotion.stage)
    if place is None:
        unknown = unknown_target(configuration, promotion.stage.name, promotion.stage.kind)
        return aggregate.transition(promotion, State.REJECTED, now, unknown)
    if facts.resolved is None:
        return aggregate
    admitted = _admit(aggregate, promotion, now)
    if admitted.promotions[promotion.id].state is not promotion.state:
        return admitted
    note = aggregate.describe(facts.resolved.note) if facts.resolved.note is not None else promotion.note
    gating = replace(
        promotion,
        release=facts.resolved.release,
        number=promotion.number or facts.resolved.number,
        note=note,
        policy=facts.configuration.text,
        configuration=facts.configuration.text,
        configuration_digest=configuration_digest(configuration, promotion.stage.name),
        content_since=now,
        authors=facts.authors or (),
        ephemeral=place.ephemeral,
    )
    return admitted.transition(gating, State.GATING, now)


def record_wait(aggregate: StageAggregate, promotion: Promotion, facts: Facts) -> StageAggregate:
    """Records for what a pending promotion waits besides its gates."""
    reason = facts.unavailable
    if reason is None and promotion.state is State.REQUESTED and facts.resolved is None:
        reason = ReleaseNotBuilt()
    waiting_for = aggregate.describe(reason) if reason is not None else ""
    if promotion.state not in PENDING or waiting_for == promotion.waiting_for:
        return aggregate
    return aggregate.with_promotion(replace(promotion, waiting_for=waiting_for))


def _admit(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """One promotion at a time: a user's before an automatic one, a newer automatic one before an older."""
    others = [other for other in aggregate.promotions.values() if other.id != promotion.id]
    for other in others:
        open_ = other.state in PENDING or other.state in ACTIVE
        first = other.state is not State.REQUESTED or not _is_later(other, promotion)
        if not promotion.automatic and not other.automatic and open_ and first:
            reason = AlreadyRequested(other.requested_by, other.kind, other.state, promotion.stage.name)
            return aggregate.transition(promotion, State.REJECTED, now, reason)
        if other.automatic and other.state in PENDING:
            if promotion.automatic and _is_later(other, promotion):
                return aggregate.transition(promotion, State.SUPERSEDED, now, Superseded())
            aggregate = aggregate.transition(other, State.SUPERSEDED, now, Superseded(promotion.requested_by))
    return aggregate


def _is_later(other: Promotion, promotion: Promotion) -> bool:
    return (other.requested_at, other.id) > (promotion.requested_at, promotion.id)


def gating(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    aggregate = _reevaluate(aggregate, promotion, facts, now)
    promotion = aggregate.promotions[promotion.id]
    blocking = [gate for gate in promotion.gates if not gate.passed]
    if promotion.state is not State.GATING or any(gate.until is None for gate in blocking):
        return aggregate
    state = State.QUEUED if is_approved(promotion, now) else State.AWAITING_APPROVAL
    return aggregate.transition(promotion, state, now)


def awaiting(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    aggregate = _reevaluate(aggregate, promotion, facts, now)
    promotion = aggregate.promotions[promotion.id]
    if promotion.state is State.AWAITING_APPROVAL and is_approved(promotion, now):
        return aggregate.transition(promotion, State.QUEUED, now)
    return aggregate


def queued(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    aggregate = _reevaluate(aggregate, promotion, facts, now)
    promotion = aggregate.promotions[promotion.id]
    if promotion.state is not State.QUEUED or facts.configuration is None:
        return aggregate
    if not is_approved(promotion, now):
        return aggregate.transition(promotion, State.AWAITING_APPROVAL, now)
    if not all(gate.passed for gate in promotion.gates):
        return aggregate
    if (active := aggregate.active_promotion) is not None:
        aggregate = aggregate.transition(active, State.SUPERSEDED, now, Superseded())
    placement = facts.placement if isinstance(facts.placement, Placement) else Placement("")
    return begin(aggregate, promotion, placement, now)


def _reevaluate(
    aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime
) -> StageAggregate:
    """Applies changed configuration, rules and authors, then evaluates the gates; a final one rejects."""
    aggregate = _follow_configuration(aggregate, promotion, facts, now)
    promotion = aggregate.promotions[promotion.id]
    if facts.protection is not None:
        aggregate = environment.follow(aggregate, promotion, facts.protection, now)
        promotion = aggregate.promotions[promotion.id]
    if facts.authors is not None:
        promotion = replace(promotion, authors=facts.authors)
        aggregate = aggregate.with_promotion(promotion)
    if isinstance(facts.plan, PlannedChange) and facts.plan != promotion.plan:
        aggregate = follow_plan(aggregate, promotion, facts.plan, now)
        promotion = aggregate.promotions[promotion.id]
    aggregate = _follow_approvers(aggregate, promotion, facts, now)
    promotion = aggregate.promotions[promotion.id]
    if promotion.state not in PENDING or promotion.release is None:
        return aggregate
    gate_input = GateInput(aggregate, promotion, promotion.release, policy(promotion), facts, now)
    gates = evaluate(gate_input)
    if gates != promotion.gates:
        event = GatesEvaluated(tuple(gate.reason for gate in gates if gate.reason))
        aggregate = aggregate.record(promotion.id, now, "gates", reason=aggregate.describe(event))
    comparisons = tuple(comparison for comparison in gate_input.parity.values() if comparison is not None)
    # Previews differ on purpose: that is reported and blocks nothing.
    earlier = facts.parity or promotion.parity
    comparisons += tuple(comparison for comparison in earlier if comparison.left == PREVIEW)
    promotion = replace(promotion, gates=gates, parity=comparisons)
    failed = tuple(gate.reason for gate in gates if gate.final)
    if failed:
        detail = facts.plan.detail if isinstance(facts.plan, PlanFailed) else ""
        promotion = replace(promotion, detail=detail)
        return aggregate.transition(promotion, State.REJECTED, now, RequirementsNotMet(failed))
    # The usual timeout begins when the wait timer of the GitHub Environment has elapsed.
    latest = environment.wait_ends_at(promotion) + STATE_TIMEOUTS[promotion.state]
    deadline = max(promotion.deadline, latest) if promotion.protection.wait else promotion.deadline
    missing = tuple(map(aggregate.describe, missing_approvals(promotion, now)))
    return aggregate.with_promotion(replace(promotion, deadline=deadline, missing=missing))


def _follow_approvers(
    aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime
) -> StageAggregate:
    """Revokes approvals of users who may no longer approve."""
    needed = requirement(promotion)
    present = without_former_approvers(promotion.approvals, facts.approvers)
    if needed is None or present == promotion.approvals:
        return aggregate
    changed = replace(promotion, approvals=present)
    still_valid = {approval.by for approval in valid_approvals(changed, needed, now)}
    aggregate = aggregate.with_promotion(changed)
    for by in sorted({approval.by for approval in valid_approvals(promotion, needed, now)} - still_valid):
        event = ApprovalRevoked(by, lost_access=not any(approval.by == by for approval in present))
        reason, current = aggregate.describe(event), aggregate.promotions[promotion.id]
        aggregate = aggregate.record(promotion.id, now, "approval revoked", reason=reason)
        aggregate = aggregate.with_event(current, now, event)
    return aggregate


def _follow_configuration(
    aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime
) -> StageAggregate:
    """A changed configuration of the stage revokes approvals."""
    if facts.configuration is None:
        return aggregate
    name, configuration = promotion.stage.name, facts.configuration.configuration
    if configuration.find_stage(promotion.stage) is None:
        reason = NoLongerConfigured(promotion.stage.kind, name)
        return aggregate.transition(promotion, State.REJECTED, now, reason)
    before, digest = promotion.configuration_digest, configuration_digest(configuration, name)
    if digest == before:
        return aggregate
    needed = requirement(promotion)
    revoked = needed is not None and bool(valid_approvals(promotion, needed, now))
    event = ConfigurationChanged(name, revoked)
    text = aggregate.describe(event)
    text_now = facts.configuration.text
    changed = replace(promotion, configuration=text_now, configuration_digest=digest, content_since=now)
    if infrastructure_in(text_now, promotion.stage) is None:
        changed = replace(changed, plan=None)
    aggregate = aggregate.record(promotion.id, now, "configuration", reason=text, before=before, after=digest)
    return aggregate.with_event(changed, now, event)
