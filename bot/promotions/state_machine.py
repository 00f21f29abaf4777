"""The next state of a promotion: pure functions of its stage's aggregate and of what was read from outside.

requested → gating → awaiting approval → queued → deploying → verifying → soaking → succeeded; each of them
may end otherwise, and what fails after it touched the stage goes back to what was verified there last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.model.promotion import PENDING, Promotion, PromotionState, StageAggregate
from bot.promotions import active_states as moving
from bot.promotions import pending_states as pending
from bot.promotions import stage_aggregate as on
from bot.promotions.facts import Facts, RolloutProgress, RolloutState

State = PromotionState
Step = Callable[[StageAggregate, Promotion, Facts, datetime], StageAggregate]

_FORWARD = frozenset(
    {
        State.GATING,
        State.AWAITING_APPROVAL,
        State.QUEUED,
        State.DEPLOYING,
        State.VERIFYING,
        State.SOAKING,
        State.SUCCEEDED,
    }
)
"""Where a paused promotion does not go."""


def step(aggregate: StageAggregate, id: str, facts: Facts, now: datetime) -> StageAggregate:
    """As far as the promotion can go now; the same aggregate when nothing changed."""
    for _ in State:
        after = _step(aggregate, aggregate.promotions[id], facts, now)
        if after.promotions[id].state is aggregate.promotions[id].state:
            return after
        aggregate = after
    raise AssertionError("a promotion goes in a circle")


def _step(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    take = _STEPS.get(promotion.state)
    if take is None:
        return aggregate
    late = now >= promotion.deadline
    if late and promotion.state in PENDING:
        # What was asked for so long ago may not be meant any more.
        return _out_of_time(aggregate, promotion, now)
    if facts.progress.serial != aggregate.stage.serial:
        # What was seen was of another target: the stage was told to run something else meanwhile.
        facts = replace(facts, progress=RolloutProgress(RolloutState.IN_PROGRESS))
    after = take(aggregate, promotion, facts, now)
    moved = after.promotions[promotion.id].state
    if promotion.paused_by and moved is not promotion.state and moved in _FORWARD:
        after = aggregate
    # While nobody worked, time ran out for what had long come to its end: that end counts.
    stands = after.promotions[promotion.id]
    return _out_of_time(after, stands, now) if late and stands.state is promotion.state else after


def _out_of_time(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    told = f"it was {promotion.state.value} for too long"
    if promotion.state in PENDING:
        reasons = [gate.reason for gate in promotion.gates if not gate.passed]
        return on.transition(aggregate, promotion, State.EXPIRED, now, "; ".join([told, *reasons]))
    return moving.fail(
        aggregate, promotion, now, f"{told}; {promotion.waiting_for}" if promotion.waiting_for else told
    )


def next_check(promotion: Promotion, now: datetime) -> datetime | None:
    """When to look again unless something wakes it before; None when it has ended."""
    if promotion.state not in _STEPS:
        return None
    moments = [promotion.deadline, *(gate.until for gate in promotion.gates if gate.until is not None)]
    if promotion.state in PENDING:
        moments.append(now + _PENDING_AGAIN)
    elif promotion.state is State.SOAKING:
        moments += [moving.soaked_at(promotion), now + _MOVING_AGAIN]
    else:
        moments.append(now + _MOVING_AGAIN)
    # What is past already has had its say: a soak that is over while the promotion is paused, say.
    return max(min(moment for moment in moments if moment > now), now + timedelta(milliseconds=200))


_PENDING_AGAIN = timedelta(minutes=1)
"""GitHub is read again: reviews, checks and the configuration may have changed."""
_MOVING_AGAIN = timedelta(seconds=30)
"""The stage's environment wakes its promotion at once; this is for a wake that was lost."""

_STEPS: Mapping[PromotionState, Step] = {
    State.REQUESTED: pending.requested,
    State.GATING: pending.gating,
    State.AWAITING_APPROVAL: pending.awaiting,
    State.QUEUED: pending.queued,
    State.DEPLOYING: moving.deploying,
    State.VERIFYING: moving.verifying,
    State.SOAKING: moving.soaking,
    State.ROLLING_BACK: moving.rolling_back,
}
