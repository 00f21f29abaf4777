"""A promotion before anything of its stage is touched: requested, gating, awaiting approval, queued. Pure."""

from __future__ import annotations

from datetime import datetime

from bot.model.promotion import ACTIVE, PENDING, Promotion, PromotionKind, PromotionState, StageAggregate
from bot.promotions import protection as environment
from bot.promotions import stage_aggregate as on
from bot.promotions.active_states import begin
from bot.promotions.approvals import counting, enough, missing, wanted
from bot.promotions.facts import Facts
from bot.promotions.gates import Case, evaluate
from bot.promotions.pipeline import configuration_digest, policy, told_places

State = PromotionState


def requested(board: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    if facts.refusal:
        return on.transition(board, promotion, State.REJECTED, now, facts.refusal)
    if facts.reading is None:
        return board
    name = promotion.stage.name
    configuration = facts.reading.configuration
    place = configuration.find_stage(promotion.stage)
    if place is None:
        told = f"there is no {promotion.stage.kind} {name} ({told_places(configuration)})"
        return on.transition(board, promotion, State.REJECTED, now, told)
    if facts.found is None:
        return board
    before = _admit(board, promotion, now)
    if before.promotions[promotion.id].state is not promotion.state:
        return before
    return on.transition(
        before,
        promotion,
        State.GATING,
        now,
        release=facts.found.release,
        number=promotion.number or facts.found.number,
        note=facts.found.note or promotion.note,
        policy=facts.reading.text,
        configuration=facts.reading.text,
        configuration_digest=configuration_digest(facts.reading.configuration, name),
        authors=facts.authors or (),
        ephemeral=place.ephemeral,
    )


def _admit(board: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """One promotion at a time: a person's before an automatic one, a newer automatic one before an older."""
    others = [each for each in board.promotions.values() if each.id != promotion.id]
    for other in others:
        active = other.state in PENDING or other.state in ACTIVE
        first = other.state is not State.REQUESTED or not _later(other, promotion)
        if not promotion.automatic and not other.automatic and active and first:
            what = "takes it back" if other.kind is PromotionKind.ROLLBACK else "promotes to it"
            name = promotion.stage.name
            return on.transition(
                board,
                promotion,
                State.REJECTED,
                now,
                f"{other.requested_by} {what} already (it is {other.state.value}); wait for it, "
                f"or end it with `/abort {name}`",
            )
        if other.automatic and other.state in PENDING:
            if promotion.automatic and _later(other, promotion):
                return on.transition(board, promotion, State.SUPERSEDED, now, "a newer release came")
            told = "a newer release came" if promotion.automatic else f"{promotion.requested_by} took over"
            board = on.transition(board, other, State.SUPERSEDED, now, told)
    return board


def _later(other: Promotion, promotion: Promotion) -> bool:
    return (other.requested_at, other.id) > (promotion.requested_at, promotion.id)


def gating(board: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    board = _look(board, promotion, facts, now)
    promotion = board.promotions[promotion.id]
    shut = [gate for gate in promotion.gates if not gate.passed]
    if promotion.state is not State.GATING or any(gate.until is None for gate in shut):
        return board
    if enough(promotion, now):
        return on.transition(board, promotion, State.QUEUED, now)
    return on.transition(board, promotion, State.AWAITING_APPROVAL, now)


def awaiting(board: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    board = _look(board, promotion, facts, now)
    promotion = board.promotions[promotion.id]
    if promotion.state is State.AWAITING_APPROVAL and enough(promotion, now):
        return on.transition(board, promotion, State.QUEUED, now)
    return board


def queued(board: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    board = _look(board, promotion, facts, now)
    promotion = board.promotions[promotion.id]
    if promotion.state is not State.QUEUED or facts.reading is None:
        return board
    if not enough(promotion, now):
        return on.transition(board, promotion, State.AWAITING_APPROVAL, now)
    if not all(gate.passed for gate in promotion.gates):
        return board
    holder = board.promotions.get(board.stage.active_promotion or "")
    if holder is not None:
        board = on.transition(board, holder, State.SUPERSEDED, now, "a newer release came")
    return begin(board, promotion, now)


def _look(board: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    """Follows what was configured meanwhile and asks the gates again; a final no ends the promotion."""
    board = _follow_configuration(board, promotion, facts, now)
    promotion = board.promotions[promotion.id]
    if facts.protection is not None:
        board = environment.follow(board, promotion, facts.protection, now)
        promotion = board.promotions[promotion.id]
    if facts.authors is not None and facts.authors != promotion.authors:
        board = on.change(board, promotion, authors=facts.authors)
        promotion = board.promotions[promotion.id]
    release = promotion.release
    if promotion.state not in PENDING or release is None:
        return board
    case = Case(board, promotion, release, policy(promotion), facts, now)
    gates = evaluate(case)
    if gates != promotion.gates:
        told = "; ".join(gate.why for gate in gates if gate.why) or "all gates are open"
        board = on.record(board, promotion.id, now, "gates", why=told)
        board = on.change(board, promotion, gates=gates)
        promotion = board.promotions[promotion.id]
    parity = tuple(each for each in case.parity.values() if each is not None)
    if parity != promotion.parity:
        board = on.change(board, promotion, parity=parity)
        promotion = board.promotions[promotion.id]
    final = [gate.why for gate in gates if gate.final]
    if final:
        return on.transition(board, promotion, State.REJECTED, now, "; ".join(final))
    # Whoever has to wait for long by a rule has all of the usual time after it.
    latest = environment.waited(promotion) + on.STATE_TIMEOUTS[promotion.state]
    deadline = max(promotion.deadline, latest) if promotion.protection.wait else promotion.deadline
    return on.change(board, promotion, deadline=deadline, missing=missing(promotion, now))


def _follow_configuration(
    board: StageAggregate, promotion: Promotion, facts: Facts, now: datetime
) -> StageAggregate:
    """A stage that is configured otherwise by now was not what anybody approved."""
    if facts.reading is None:
        return board
    name = promotion.stage.name
    if facts.reading.configuration.find_stage(promotion.stage) is None:
        told = f"the {promotion.stage.kind} {name} is configured no more"
        return on.transition(board, promotion, State.REJECTED, now, told)
    digest = configuration_digest(facts.reading.configuration, name)
    if digest == promotion.configuration_digest:
        return board
    void = len(counting(promotion, needed, now)) if (needed := wanted(promotion)) else 0
    told = f"the configuration of {name} changed"
    if void:
        told += ", so what was approved is another thing now; it has to be approved again"
    board = on.record(
        board,
        promotion.id,
        now,
        "configuration",
        why=told,
        before=promotion.configuration_digest,
        after=digest,
    )
    board = on.add_event(board, promotion, now, f"{told[:1].upper()}{told[1:]}")
    return on.change(
        board,
        board.promotions[promotion.id],
        configuration=facts.reading.text,
        configuration_digest=digest,
    )
