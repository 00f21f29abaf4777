"""A promotion before anything of its stage is touched: requested, gating, awaiting approval, queued. Pure."""

from __future__ import annotations

from datetime import datetime

from bot.model.promotion import ACTIVE, PENDING, Promotion, PromotionKind, PromotionState, StageAggregate
from bot.promotions import protection as environment
from bot.promotions import stage_aggregate as on
from bot.promotions.active_states import begin
from bot.promotions.approvals import is_approved, missing_approvals, requirement, valid_approvals
from bot.promotions.facts import Facts
from bot.promotions.gates import GateInput, evaluate
from bot.promotions.pipeline import configuration_digest, place_names, policy

State = PromotionState


def requested(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    if facts.refusal:
        return on.transition(aggregate, promotion, State.REJECTED, now, facts.refusal)
    if facts.configuration is None:
        return aggregate
    name = promotion.stage.name
    configuration = facts.configuration.configuration
    place = configuration.find_stage(promotion.stage)
    if place is None:
        told = f"there is no {promotion.stage.kind} {name} ({place_names(configuration)})"
        return on.transition(aggregate, promotion, State.REJECTED, now, told)
    if facts.resolved is None:
        return aggregate
    before = _admit(aggregate, promotion, now)
    if before.promotions[promotion.id].state is not promotion.state:
        return before
    return on.transition(
        before,
        promotion,
        State.GATING,
        now,
        release=facts.resolved.release,
        number=promotion.number or facts.resolved.number,
        note=facts.resolved.note or promotion.note,
        policy=facts.configuration.text,
        configuration=facts.configuration.text,
        configuration_digest=configuration_digest(facts.configuration.configuration, name),
        authors=facts.authors or (),
        ephemeral=place.ephemeral,
    )


def _admit(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """One promotion at a time: a person's before an automatic one, a newer automatic one before an older."""
    others = [each for each in aggregate.promotions.values() if each.id != promotion.id]
    for other in others:
        active = other.state in PENDING or other.state in ACTIVE
        first = other.state is not State.REQUESTED or not _later(other, promotion)
        if not promotion.automatic and not other.automatic and active and first:
            what = "takes it back" if other.kind is PromotionKind.ROLLBACK else "promotes to it"
            name = promotion.stage.name
            return on.transition(
                aggregate,
                promotion,
                State.REJECTED,
                now,
                f"{other.requested_by} {what} already (it is {other.state.value}); wait for it, "
                f"or end it with `/abort {name}`",
            )
        if other.automatic and other.state in PENDING:
            if promotion.automatic and _later(other, promotion):
                return on.transition(aggregate, promotion, State.SUPERSEDED, now, "a newer release came")
            told = "a newer release came" if promotion.automatic else f"{promotion.requested_by} took over"
            aggregate = on.transition(aggregate, other, State.SUPERSEDED, now, told)
    return aggregate


def _later(other: Promotion, promotion: Promotion) -> bool:
    return (other.requested_at, other.id) > (promotion.requested_at, promotion.id)


def gating(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    aggregate = _look(aggregate, promotion, facts, now)
    promotion = aggregate.promotions[promotion.id]
    shut = [gate for gate in promotion.gates if not gate.passed]
    if promotion.state is not State.GATING or any(gate.until is None for gate in shut):
        return aggregate
    if is_approved(promotion, now):
        return on.transition(aggregate, promotion, State.QUEUED, now)
    return on.transition(aggregate, promotion, State.AWAITING_APPROVAL, now)


def awaiting(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    aggregate = _look(aggregate, promotion, facts, now)
    promotion = aggregate.promotions[promotion.id]
    if promotion.state is State.AWAITING_APPROVAL and is_approved(promotion, now):
        return on.transition(aggregate, promotion, State.QUEUED, now)
    return aggregate


def queued(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    aggregate = _look(aggregate, promotion, facts, now)
    promotion = aggregate.promotions[promotion.id]
    if promotion.state is not State.QUEUED or facts.configuration is None:
        return aggregate
    if not is_approved(promotion, now):
        return on.transition(aggregate, promotion, State.AWAITING_APPROVAL, now)
    if not all(gate.passed for gate in promotion.gates):
        return aggregate
    holder = aggregate.promotions.get(aggregate.stage.active_promotion or "")
    if holder is not None:
        aggregate = on.transition(aggregate, holder, State.SUPERSEDED, now, "a newer release came")
    return begin(aggregate, promotion, now)


def _look(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    """Follows what was configured meanwhile and asks the gates again; a final no ends the promotion."""
    aggregate = _follow_configuration(aggregate, promotion, facts, now)
    promotion = aggregate.promotions[promotion.id]
    if facts.protection is not None:
        aggregate = environment.follow(aggregate, promotion, facts.protection, now)
        promotion = aggregate.promotions[promotion.id]
    if facts.authors is not None and facts.authors != promotion.authors:
        aggregate = on.change(aggregate, promotion, authors=facts.authors)
        promotion = aggregate.promotions[promotion.id]
    release = promotion.release
    if promotion.state not in PENDING or release is None:
        return aggregate
    case = GateInput(aggregate, promotion, release, policy(promotion), facts, now)
    gates = evaluate(case)
    if gates != promotion.gates:
        told = "; ".join(gate.reason for gate in gates if gate.reason) or "all gates are open"
        aggregate = on.record(aggregate, promotion.id, now, "gates", why=told)
        aggregate = on.change(aggregate, promotion, gates=gates)
        promotion = aggregate.promotions[promotion.id]
    parity = tuple(each for each in case.parity.values() if each is not None)
    if parity != promotion.parity:
        aggregate = on.change(aggregate, promotion, parity=parity)
        promotion = aggregate.promotions[promotion.id]
    final = [gate.reason for gate in gates if gate.final]
    if final:
        return on.transition(aggregate, promotion, State.REJECTED, now, "; ".join(final))
    # Whoever has to wait for long by a rule has all of the usual time after it.
    latest = environment.wait_ends_at(promotion) + on.STATE_TIMEOUTS[promotion.state]
    deadline = max(promotion.deadline, latest) if promotion.protection.wait else promotion.deadline
    return on.change(aggregate, promotion, deadline=deadline, missing=missing_approvals(promotion, now))


def _follow_configuration(
    aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime
) -> StageAggregate:
    """A stage that is configured otherwise by now was not what anybody approved."""
    if facts.configuration is None:
        return aggregate
    name = promotion.stage.name
    if facts.configuration.configuration.find_stage(promotion.stage) is None:
        told = f"the {promotion.stage.kind} {name} is configured no more"
        return on.transition(aggregate, promotion, State.REJECTED, now, told)
    digest = configuration_digest(facts.configuration.configuration, name)
    if digest == promotion.configuration_digest:
        return aggregate
    void = len(valid_approvals(promotion, needed, now)) if (needed := requirement(promotion)) else 0
    told = f"the configuration of {name} changed"
    if void:
        told += ", so what was approved is another thing now; it has to be approved again"
    aggregate = on.record(
        aggregate,
        promotion.id,
        now,
        "configuration",
        why=told,
        before=promotion.configuration_digest,
        after=digest,
    )
    aggregate = on.add_event(aggregate, promotion, now, f"{told[:1].upper()}{told[1:]}")
    return on.change(
        aggregate,
        aggregate.promotions[promotion.id],
        configuration=facts.configuration.text,
        configuration_digest=digest,
    )
