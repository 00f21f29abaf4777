"""Changes of a stage aggregate; each writes an audit entry and the promotion's timeline. Pure."""

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
from bot.model.times import format_time

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


def change(aggregate: StageAggregate, promotion: Promotion, **fields: Any) -> StageAggregate:
    changed = replace(promotion, **fields)
    return replace(aggregate, promotions={**aggregate.promotions, promotion.id: changed})


def add_event(
    aggregate: StageAggregate, promotion: Promotion, now: datetime, what: str, by: str = ""
) -> StageAggregate:
    """One more line of its story."""
    story = (*promotion.timeline, TimelineEntry(now, what, by))[-_STORY:]
    return change(aggregate, promotion, timeline=story)


def transition(
    aggregate: StageAggregate,
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
    aggregate = record(
        aggregate,
        promotion.id,
        now,
        state.value,
        why=why,
        by=by,
        before=promotion.state.value,
        after=state.value,
    )
    aggregate = add_event(aggregate, promotion, now, told, by)
    aggregate = change(
        aggregate,
        aggregate.promotions[promotion.id],
        state=state,
        since=now,
        deadline=now + patience,
        **{"paused_by": "", "paused_at": None, "waiting_for": "", **ended, **fields},
    )
    stage = aggregate.stage
    if state in ACTIVE:
        stage = replace(stage, active_promotion=promotion.id)
    elif state in ENDED and stage.active_promotion == promotion.id:
        stage = replace(stage, active_promotion=None)
    return replace(aggregate, stage=stage)


def record(
    aggregate: StageAggregate,
    promotion: str,
    now: datetime,
    what: str,
    *,
    why: str = "",
    by: str = "",
    before: str = "",
    after: str = "",
) -> StageAggregate:
    key = aggregate.stage.key
    entry = AuditEntry(now, key.repository_id, key.name, promotion, by, what, why, before, after)
    return replace(aggregate, audit=(*aggregate.audit, entry))


def lock_reason(stage: StageRecord, by: str, now: datetime) -> str:
    """Who else keeps the stage to themselves and until when, without a full stop; "" when nobody does."""
    lock = stage.lock
    if lock is None or now >= lock.until or lock.by.lower() == by.lower():
        return ""
    told = f"{stage.name} is locked by {lock.by} until {format_time(lock.until)}"
    return f"{told} ({lock.reason})" if lock.reason else told


def set_target(
    aggregate: StageAggregate, target: Target | None, now: datetime, promotion: str
) -> StageAggregate:
    """Tells the stage's environment what to run; None takes it away."""
    serial = aggregate.stage.serial + 1
    new = replace(target, serial=serial) if target is not None else None
    told = [_told(aggregate.stage.target), _told(new)]
    aggregate = replace(aggregate, stage=replace(aggregate.stage, target=new, serial=serial, since=now))
    return record(aggregate, promotion, now, "target", before=told[0], after=told[1])


def verify(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """The stage's present target is what it goes back to from now on."""
    target = aggregate.stage.target
    assert target is not None, "what was verified runs"
    kept = [each for each in aggregate.stage.verified if not same_target(each.target, target)]
    verified = (*kept, VerifiedTarget(target, promotion.id, now))[-_VERIFIED:]
    return replace(aggregate, stage=replace(aggregate.stage, verified=verified))


def revoke_verification(aggregate: StageAggregate, target: Target) -> StageAggregate:
    """The stage goes back from it: it counts as verified here no more."""
    kept = tuple(each for each in aggregate.stage.verified if not same_target(each.target, target))
    return replace(aggregate, stage=replace(aggregate.stage, verified=kept))


def hold(aggregate: StageAggregate, now: datetime, why: str, by: str, promotion: str) -> StageAggregate:
    aggregate = replace(aggregate, stage=replace(aggregate.stage, hold=Hold(by, now, why)))
    return record(aggregate, promotion, now, "hold", why=why, by=by, after="on hold")


def last_verified(aggregate: StageAggregate, besides: Target | None = None) -> Target | None:
    """What the stage ran last and well; not what it is to leave."""
    found = [
        each.target
        for each in aggregate.stage.verified
        if besides is None or not same_target(each.target, besides)
    ]
    return found[-1] if found else None


def is_verified(aggregate: StageAggregate, target: Target) -> bool:
    return any(same_target(each.target, target) for each in aggregate.stage.verified)


def same_target(one: Target, other: Target) -> bool:
    """The same code with the same configuration, whichever promotion brought it."""
    return (one.release.id, one.configuration) == (other.release.id, other.configuration)


def _told(target: Target | None) -> str:
    return target.release.id if target is not None else "nothing"
