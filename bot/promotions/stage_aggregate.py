"""Changes of a stage's board: each is told in the promotion's story and written down for the audit. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.model.errors import GreenroomError
from bot.model.promotion import (
    ACTIVE,
    ENDED,
    AuditEntry,
    Hold,
    Promotion,
    PromotionState,
    StageAggregate,
    StageRecord,
    TimelineEntry,
    VerifiedTarget,
)
from bot.model.release import Target

_VERIFIED = 10
"""How many verified releases a stage remembers."""
_STORY = 60

STATE_TIMEOUTS: Mapping[PromotionState, timedelta] = {
    PromotionState.REQUESTED: timedelta(minutes=30),
    PromotionState.GATING: timedelta(hours=24),
    PromotionState.AWAITING_APPROVAL: timedelta(hours=24),
    PromotionState.QUEUED: timedelta(days=7),
    PromotionState.DEPLOYING: timedelta(hours=1),
    PromotionState.VERIFYING: timedelta(hours=1),
    PromotionState.SOAKING: timedelta(hours=1),
    PromotionState.ROLLING_BACK: timedelta(hours=1),
}
"""How long a promotion may stay in a state; a soak has this much more than its own time."""


class Refusal(GreenroomError):
    """What somebody asked for is not done. The message is for them."""


def change(board: StageAggregate, promotion: Promotion, **fields: Any) -> StageAggregate:
    changed = replace(promotion, **fields)
    return replace(board, promotions={**board.promotions, promotion.id: changed})


def add_event(
    board: StageAggregate, promotion: Promotion, now: datetime, what: str, by: str = ""
) -> StageAggregate:
    """One more line of its story."""
    story = (*promotion.timeline, TimelineEntry(now, what, by))[-_STORY:]
    return change(board, promotion, timeline=story)


def transition(
    board: StageAggregate,
    promotion: Promotion,
    state: PromotionState,
    now: datetime,
    why: str = "",
    by: str = "",
    **fields: Any,
) -> StageAggregate:
    """Moves a promotion to a state, with its deadline, and frees the stage when it ends."""
    what = f"{state.value}: {why}" if why else state.value
    told = f"{state.value[:1].upper()}{what[1:]}"
    ended = {"why": why} if why else {}
    patience = STATE_TIMEOUTS.get(state, timedelta(0))
    board = record(
        board, promotion.id, now, state.value, why=why, by=by, before=promotion.state.value, after=state.value
    )
    board = add_event(board, promotion, now, told, by)
    board = change(
        board,
        board.promotions[promotion.id],
        state=state,
        since=now,
        deadline=now + patience,
        **{"paused_by": "", "paused_at": None, "waiting_for": "", **ended, **fields},
    )
    stage = board.stage
    if state in ACTIVE:
        stage = replace(stage, active_promotion=promotion.id)
    elif state in ENDED and stage.active_promotion == promotion.id:
        stage = replace(stage, active_promotion=None)
    return replace(board, stage=stage)


def record(
    board: StageAggregate,
    promotion: str,
    now: datetime,
    what: str,
    *,
    why: str = "",
    by: str = "",
    before: str = "",
    after: str = "",
) -> StageAggregate:
    key = board.stage.key
    entry = AuditEntry(now, key.repository_id, key.name, promotion, by, what, why, before, after)
    return replace(board, audit=(*board.audit, entry))


def locked(stage: StageRecord, by: str, now: datetime) -> str:
    """Who else keeps the stage to themselves and until when, without a full stop; "" when nobody does."""
    lock = stage.lock
    if lock is None or now >= lock.until or lock.by.lower() == by.lower():
        return ""
    told = f"{stage.name} is locked by {lock.by} until {lock.until:%d %B, %H:%M} UTC"
    return f"{told} ({lock.why})" if lock.why else told


def set_target(board: StageAggregate, target: Target | None, now: datetime, promotion: str) -> StageAggregate:
    """Tells the stage's environment what to run; None takes it away."""
    serial = board.stage.serial + 1
    new = replace(target, serial=serial) if target is not None else None
    told = [_told(board.stage.target), _told(new)]
    board = replace(board, stage=replace(board.stage, target=new, serial=serial, since=now))
    return record(board, promotion, now, "target", before=told[0], after=told[1])


def verify(board: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """The stage's present target is what it goes back to from now on."""
    target = board.stage.target
    assert target is not None, "what was verified runs"
    kept = [each for each in board.stage.verified if not same(each.target, target)]
    verified = (*kept, VerifiedTarget(target, promotion.id, now))[-_VERIFIED:]
    return replace(board, stage=replace(board.stage, verified=verified))


def revoke_verification(board: StageAggregate, target: Target) -> StageAggregate:
    """The stage goes back from it: it counts as verified here no more."""
    kept = tuple(each for each in board.stage.verified if not same(each.target, target))
    return replace(board, stage=replace(board.stage, verified=kept))


def hold(board: StageAggregate, now: datetime, why: str, by: str, promotion: str) -> StageAggregate:
    board = replace(board, stage=replace(board.stage, hold=Hold(by, now, why)))
    return record(board, promotion, now, "hold", why=why, by=by, after="on hold")


def last_verified(board: StageAggregate, besides: Target | None = None) -> Target | None:
    """What the stage ran last and well; not what it is to leave."""
    found = [
        each.target for each in board.stage.verified if besides is None or not same(each.target, besides)
    ]
    return found[-1] if found else None


def is_verified(board: StageAggregate, target: Target) -> bool:
    return any(same(each.target, target) for each in board.stage.verified)


def same(one: Target, other: Target) -> bool:
    """The same code with the same configuration, whichever promotion brought it."""
    return (one.release.id, one.configuration) == (other.release.id, other.configuration)


def _told(target: Target | None) -> str:
    return target.release.id if target is not None else "nothing"
