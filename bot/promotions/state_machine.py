"""State machine of promotions. Pure functions of the stage aggregate and of facts from outside.

requested → gating → awaiting approval → queued → deploying → verifying → soaking → succeeded. A progressive
rollout has a state of its own after deploying. A promotion that fails after it changed the stage rolls back
to the last verified target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.model.promotion import PENDING, Promotion, PromotionState
from bot.promotions import active_states, pending_states
from bot.promotions.facts import Facts, RolloutProgress, RolloutState
from bot.promotions.gates.infrastructure import awaits_plan
from bot.promotions.reasons import RequirementsNotMet, TimedOut
from bot.promotions.stage_aggregate import StageAggregate

State = PromotionState
Step = Callable[[StageAggregate, Promotion, Facts, datetime], StageAggregate]

_FORWARD = frozenset(
    {
        State.GATING,
        State.AWAITING_APPROVAL,
        State.QUEUED,
        State.DEPLOYING,
        State.ROLLING_OUT,
        State.VERIFYING,
        State.SOAKING,
        State.SUCCEEDED,
    }
)
"""States that a paused promotion does not enter."""


def step(aggregate: StageAggregate, promotion_id: str, facts: Facts, now: datetime) -> StageAggregate:
    """Advances the promotion as far as possible; returns the same aggregate when nothing changes."""
    for _ in State:
        after = _step(aggregate, aggregate.promotions[promotion_id], facts, now)
        if after.promotions[promotion_id].state is aggregate.promotions[promotion_id].state:
            return after
        aggregate = after
    raise AssertionError("the state machine has a cycle")


def _step(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    advance = _STEPS.get(promotion.state)
    if advance is None:
        return aggregate
    late = now >= promotion.deadline
    if late and promotion.state in PENDING:
        return _time_out(aggregate, promotion, now)
    if facts.progress.serial != aggregate.stage.serial:
        # The progress is about an earlier target.
        facts = replace(facts, progress=RolloutProgress(RolloutState.IN_PROGRESS))
    after = advance(aggregate, promotion, facts, now)
    state = after.promotions[promotion.id].state
    if promotion.paused_by and state is not promotion.state and state in _FORWARD:
        after = aggregate
    after = pending_states.record_wait(after, after.promotions[promotion.id], facts)
    # A rollout that ended while no worker ran counts, although its deadline has passed.
    current = after.promotions[promotion.id]
    return _time_out(after, current, now) if late and current.state is promotion.state else after


def _time_out(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    if promotion.state in PENDING:
        gates = tuple(gate.reason for gate in promotion.gates if not gate.passed)
        gates += (promotion.waiting_for,) if promotion.waiting_for else ()
        return aggregate.transition(promotion, State.EXPIRED, now, RequirementsNotMet(gates, timed_out=True))
    return active_states.fail(aggregate, promotion, now, TimedOut(promotion.state, promotion.waiting_for))


def next_check(promotion: Promotion, now: datetime) -> datetime | None:
    """When to reconcile again unless woken before; None when the promotion has ended."""
    if promotion.state not in _STEPS:
        return None
    moments = [promotion.deadline, *(gate.until for gate in promotion.gates if gate.until is not None)]
    if promotion.state in PENDING:
        moments.append(now + _PENDING_INTERVAL)
        if awaits_plan(promotion.gates):
            waited = (now - promotion.since) / 4
            moments.append(now + min(max(waited, _PLAN_INTERVAL), _PENDING_INTERVAL))
    elif promotion.state is State.SOAKING:
        moments += [active_states.soak_ends_at(promotion), now + _ACTIVE_INTERVAL]
    else:
        moments.append(now + _ACTIVE_INTERVAL)
    # Past moments were handled in this run, such as the end of a soak while the promotion is paused.
    return max(min(moment for moment in moments if moment > now), now + timedelta(milliseconds=200))


_PENDING_INTERVAL = timedelta(minutes=1)
"""Reviews, checks and the configuration on GitHub may have changed."""
_PLAN_INTERVAL = timedelta(seconds=1)
"""Nothing reports that a plan is made."""
_ACTIVE_INTERVAL = timedelta(seconds=30)
"""Fallback: a changed environment wakes its promotion at once."""

_STEPS: Mapping[PromotionState, Step] = {
    State.REQUESTED: pending_states.requested,
    State.GATING: pending_states.gating,
    State.AWAITING_APPROVAL: pending_states.awaiting,
    State.QUEUED: pending_states.queued,
    State.DEPLOYING: active_states.deploying,
    State.ROLLING_OUT: active_states.rolling_out,
    State.VERIFYING: active_states.verifying,
    State.SOAKING: active_states.soaking,
    State.ROLLING_BACK: active_states.rolling_back,
}
