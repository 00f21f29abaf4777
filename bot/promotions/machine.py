"""The next state of a promotion: pure functions of its stage's board and of what was read from outside.

requested → gating → awaiting approval → queued → deploying → verifying → soaking → succeeded; each of them
may end otherwise, and what fails after it touched the stage goes back to what was verified there last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from bot.environments.configuration import parse_configuration
from bot.environments.stages import Stage
from bot.model.environment import CheckState
from bot.model.naming import namespace_name
from bot.model.promotion import MOVING, PENDING, Board, Promotion, PromotionKind, PromotionState
from bot.model.release import Target
from bot.promotions import board as on
from bot.promotions.approvals import counting, enough
from bot.promotions.facts import Facts, Progress, Rollout
from bot.promotions.gates import Case, evaluate
from bot.promotions.pipeline import configuration_digest

State = PromotionState
Step = Callable[[Board, Promotion, Facts, datetime], Board]

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


def step(board: Board, id: str, facts: Facts, now: datetime) -> Board:
    """As far as the promotion can go now; the same board when nothing changed."""
    for _ in State:
        after = _step(board, board.promotions[id], facts, now)
        if after.promotions[id].state is board.promotions[id].state:
            return after
        board = after
    raise AssertionError("a promotion goes in a circle")


def policy(promotion: Promotion) -> Stage:
    """The pipeline's word on its stage as it was when the promotion was asked for."""
    return _stage(promotion.policy, promotion.stage.name)


@lru_cache(maxsize=128)
def _stage(configuration: str, name: str) -> Stage:
    return parse_configuration(configuration).stages[name]


def _step(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    take = _STEPS.get(promotion.state)
    if take is None:
        return board
    late = now >= promotion.deadline
    if late and promotion.state in PENDING:
        # What was asked for so long ago may not be meant any more.
        return _out_of_time(board, promotion, now)
    if facts.progress.serial != board.stage.serial:
        # What was seen was of another target: the stage was told to run something else meanwhile.
        facts = replace(facts, progress=Progress(Rollout.UNDER_WAY))
    after = take(board, promotion, facts, now)
    moved = after.promotions[promotion.id].state
    if promotion.paused_by and moved is not promotion.state and moved in _FORWARD:
        after = board
    # While nobody worked, time ran out for what had long come to its end: that end counts.
    stands = after.promotions[promotion.id]
    return _out_of_time(after, stands, now) if late and stands.state is promotion.state else after


def _out_of_time(board: Board, promotion: Promotion, now: datetime) -> Board:
    told = f"it was {promotion.state.value} for too long"
    if promotion.state in PENDING:
        reasons = [gate.why for gate in promotion.gates if not gate.passed]
        return on.enter(board, promotion, State.EXPIRED, now, "; ".join([told, *reasons]))
    return fail(board, promotion, now, told)


# Before anything is touched.


def _requested(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    if facts.refusal:
        return on.enter(board, promotion, State.REJECTED, now, facts.refusal)
    if facts.reading is None:
        return board
    name = promotion.stage.name
    stages = facts.reading.configuration.stages
    if name not in stages:
        known = ", ".join(stages) or "none"
        return on.enter(board, promotion, State.REJECTED, now, f"there is no stage {name} (stages: {known})")
    if facts.found is None:
        return board
    before = _admit(board, promotion, now)
    if before.promotions[promotion.id].state is not promotion.state:
        return before
    return on.enter(
        before,
        promotion,
        State.GATING,
        now,
        release=facts.found.release,
        note=facts.found.note,
        policy=facts.reading.text,
        configuration=facts.reading.text,
        configuration_digest=configuration_digest(facts.reading.configuration, name),
        authors=facts.authors or (),
    )


def _admit(board: Board, promotion: Promotion, now: datetime) -> Board:
    """One promotion at a time: a person's before an automatic one, a newer automatic one before an older."""
    others = [each for each in board.promotions.values() if each.id != promotion.id]
    for other in others:
        active = other.state in PENDING or other.state in MOVING
        first = other.state is not State.REQUESTED or not _later(other, promotion)
        if not promotion.automatic and not other.automatic and active and first:
            what = "takes it back" if other.kind is PromotionKind.ROLLBACK else "promotes to it"
            name = promotion.stage.name
            return on.enter(
                board,
                promotion,
                State.REJECTED,
                now,
                f"{other.requested_by} {what} already (it is {other.state.value}); wait for it, "
                f"or end it with `/abort {name}`",
            )
        if other.automatic and other.state in PENDING:
            if promotion.automatic and _later(other, promotion):
                return on.enter(board, promotion, State.SUPERSEDED, now, "a newer release came")
            told = "a newer release came" if promotion.automatic else f"{promotion.requested_by} took over"
            board = on.enter(board, other, State.SUPERSEDED, now, told)
    return board


def _later(other: Promotion, promotion: Promotion) -> bool:
    return (other.requested_at, other.id) > (promotion.requested_at, promotion.id)


def _gating(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    board = _look(board, promotion, facts, now)
    promotion = board.promotions[promotion.id]
    shut = [gate for gate in promotion.gates if not gate.passed]
    if promotion.state is not State.GATING or any(gate.until is None for gate in shut):
        return board
    if enough(promotion, policy(promotion).approvals, now):
        return on.enter(board, promotion, State.QUEUED, now)
    return on.enter(board, promotion, State.AWAITING_APPROVAL, now)


def _awaiting(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    board = _look(board, promotion, facts, now)
    promotion = board.promotions[promotion.id]
    if promotion.state is State.AWAITING_APPROVAL and enough(promotion, policy(promotion).approvals, now):
        return on.enter(board, promotion, State.QUEUED, now)
    return board


def _queued(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    board = _look(board, promotion, facts, now)
    promotion = board.promotions[promotion.id]
    if promotion.state is not State.QUEUED or facts.reading is None:
        return board
    if not enough(promotion, policy(promotion).approvals, now):
        return on.enter(board, promotion, State.AWAITING_APPROVAL, now)
    if not all(gate.passed for gate in promotion.gates):
        return board
    holder = board.promotions.get(board.stage.moving or "")
    if holder is not None:
        if not (promotion.automatic and holder.automatic and holder.state is State.SOAKING):
            return board
        board = on.enter(board, holder, State.SUPERSEDED, now, "a newer release came")
    return _begin(board, promotion, now)


def _look(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    """Reads the configuration and asks the gates again; ends the promotion when one says a final no."""
    board = _follow_configuration(board, promotion, facts, now)
    promotion = board.promotions[promotion.id]
    release = promotion.release
    if promotion.state not in PENDING or release is None:
        return board
    gates = evaluate(Case(board, promotion, release, policy(promotion), facts, now))
    if gates != promotion.gates:
        shut = [gate.why for gate in gates if not gate.passed]
        told = "; ".join(shut) or "all gates are open"
        board = on.record(board, promotion.id, now, "gates", why=told)
        board = on.change(board, promotion, gates=gates)
        promotion = board.promotions[promotion.id]
    final = [gate.why for gate in gates if gate.final]
    if final:
        return on.enter(board, promotion, State.REJECTED, now, "; ".join(final))
    return board


def _follow_configuration(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    """A stage that is configured otherwise by now was not what anybody approved."""
    if facts.reading is None:
        return board
    name = promotion.stage.name
    if name not in facts.reading.configuration.stages:
        return on.enter(board, promotion, State.REJECTED, now, f"the stage {name} is configured no more")
    digest = configuration_digest(facts.reading.configuration, name)
    if digest == promotion.configuration_digest:
        return board
    void = len(counting(promotion, wanted, now)) if (wanted := policy(promotion).approvals) else 0
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
    board = on.note(board, promotion, now, f"{told[:1].upper()}{told[1:]}")
    return on.change(
        board,
        board.promotions[promotion.id],
        configuration=facts.reading.text,
        configuration_digest=digest,
    )


# While the stage is in its hands.


def _begin(board: Board, promotion: Promotion, now: datetime) -> Board:
    assert promotion.release is not None, "it was found before the gates"
    stage = _stage(promotion.configuration, promotion.stage.name)
    back = None if stage.ephemeral else on.last_verified(board)
    named = stage.namespace or namespace_name(promotion.stage, promotion.repository)
    board = replace(board, stage=replace(board.stage, namespace=named))
    board = on.aim(board, Target(promotion.release, promotion.configuration, 0), now, promotion.id)
    return on.enter(board, promotion, State.DEPLOYING, now, back_to=back, checks=(), url=None)


def _deploying(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    progress = facts.progress
    if (failure := _failure(facts)) is not None:
        return fail(board, promotion, now, *failure)
    if progress.rollout is Rollout.UNDER_WAY:
        return board
    return on.enter(board, promotion, State.VERIFYING, now, checks=progress.checks, url=progress.url)


def _verifying(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    board = _told_checks(board, promotion, facts)
    promotion = board.promotions[promotion.id]
    if (failure := _failure(facts)) is not None:
        return fail(board, promotion, now, *failure)
    if facts.progress.rollout is not Rollout.VERIFIED:
        return board
    soak = policy(promotion).soak
    if not soak:
        return _succeed(board, promotion, now)
    board = on.enter(board, promotion, State.SOAKING, now)
    promotion = board.promotions[promotion.id]
    return on.change(board, promotion, deadline=promotion.deadline + soak)


def _soaking(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    if (failure := _failure(facts)) is not None:
        return fail(board, promotion, now, *failure)
    if now < soaked_at(promotion) or facts.progress.rollout is not Rollout.VERIFIED:
        return board
    return _succeed(board, promotion, now)


def soaked_at(promotion: Promotion) -> datetime:
    return promotion.since + policy(promotion).soak


def _succeed(board: Board, promotion: Promotion, now: datetime) -> Board:
    board = on.verify(board, promotion, now)
    board = on.enter(board, promotion, State.SUCCEEDED, now)
    return on.aim(board, None, now, promotion.id) if policy(promotion).ephemeral else board


def fail(board: Board, promotion: Promotion, now: datetime, why: str, detail: str = "") -> Board:
    """What it did to the stage is undone, and nothing automatic follows it until somebody says so."""
    if promotion.state is State.ROLLING_BACK:
        return on.enter(board, promotion, State.ROLLBACK_FAILED, now, why, detail=detail)
    board = on.enter(board, promotion, State.FAILED, now, why, detail=detail)
    return go_back(board, board.promotions[promotion.id], now, f"{promotion.id} failed: {why}", "")


def go_back(board: Board, promotion: Promotion, now: datetime, why: str, by: str) -> Board:
    """From a promotion that has begun; it stays ended where there is nothing to go back to."""
    if policy(promotion).ephemeral:
        return on.aim(board, None, now, promotion.id)
    board = on.hold(board, now, why, by, promotion.id)
    if promotion.back_to is None:
        return board
    board = on.aim(board, promotion.back_to, now, promotion.id)
    return on.enter(board, promotion, State.ROLLING_BACK, now, promotion.why, by)


def _rolling_back(board: Board, promotion: Promotion, facts: Facts, now: datetime) -> Board:
    if (failure := _failure(facts)) is not None:
        return on.enter(board, promotion, State.ROLLBACK_FAILED, now, failure[0], detail=failure[1])
    if facts.progress.rollout is not Rollout.VERIFIED:
        return board
    return on.enter(board, promotion, State.ROLLED_BACK, now, promotion.why, url=facts.progress.url)


def _failure(facts: Facts) -> tuple[str, str] | None:
    if facts.progress.rollout is Rollout.FAILED:
        return facts.progress.why, facts.progress.detail
    for check in facts.progress.checks:
        if check.state is CheckState.FAILED:
            return f"the check {check.name} failed: {check.summary}", check.detail
    return None


def _told_checks(board: Board, promotion: Promotion, facts: Facts) -> Board:
    progress = facts.progress
    if progress.rollout is Rollout.UNDER_WAY or progress.checks == promotion.checks:
        return board
    return on.change(board, promotion, checks=progress.checks)


def next_look(promotion: Promotion, now: datetime) -> datetime | None:
    """When to look again unless something wakes it before; None when it has ended."""
    if promotion.state not in _STEPS:
        return None
    moments = [promotion.deadline, *(gate.until for gate in promotion.gates if gate.until is not None)]
    if promotion.state in PENDING:
        moments.append(now + _PENDING_AGAIN)
    elif promotion.state is State.SOAKING:
        moments += [soaked_at(promotion), now + _MOVING_AGAIN]
    else:
        moments.append(now + _MOVING_AGAIN)
    return max(min(moments), now + timedelta(milliseconds=200))


_PENDING_AGAIN = timedelta(minutes=1)
"""GitHub is read again: reviews, checks and the configuration may have changed."""
_MOVING_AGAIN = timedelta(seconds=30)
"""The stage's environment wakes its promotion at once; this is for a wake that was lost."""

_STEPS: Mapping[PromotionState, Step] = {
    State.REQUESTED: _requested,
    State.GATING: _gating,
    State.AWAITING_APPROVAL: _awaiting,
    State.QUEUED: _queued,
    State.DEPLOYING: _deploying,
    State.VERIFYING: _verifying,
    State.SOAKING: _soaking,
    State.ROLLING_BACK: _rolling_back,
}
