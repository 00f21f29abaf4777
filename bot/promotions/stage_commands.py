"""Changes that users request of a stage and its promotions. Pure; raise Refusal with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.model.promotion import (
    ACTIVE,
    PENDING,
    Approval,
    Lock,
    Pin,
    Promotion,
    PromotionKind,
    PromotionState,
    StageAggregate,
    TimelineEntry,
)
from bot.model.protection import Protection
from bot.promotions import protection as environment
from bot.promotions import stage_aggregate as on
from bot.promotions.active_states import go_back
from bot.promotions.approvals import (
    approval_count,
    missing_approvals,
    objection,
    requirement,
    valid_approvals,
)
from bot.promotions.pipeline import policy
from bot.promotions.stage_aggregate import Refusal

DEFAULT_LOCK = timedelta(hours=1)
LONGEST_LOCK = timedelta(days=14)
_PAUSE = timedelta(days=7)
"""How long a promotion may be paused before its time is up."""

State = PromotionState


def request(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """A new promotion; the same request a second time changes nothing."""
    if promotion.id in aggregate.promotions:
        return aggregate
    aggregate = replace(aggregate, promotions={**aggregate.promotions, promotion.id: promotion})
    return on.record(
        aggregate,
        promotion.id,
        now,
        "requested",
        by=promotion.requested_by,
        why=promotion.note,
        after=promotion.state.value,
    )


def remove(aggregate: StageAggregate, brought: str | None, by: str, now: datetime) -> StageAggregate:
    """Away with what is configured no more; `brought` is the promotion that brought it there."""
    name, running = aggregate.stage.name, aggregate.stage.target
    if running is None:
        raise Refusal(f"Nothing runs on {name}.")
    if aggregate.stage.active_promotion is not None:
        active = aggregate.stage.active_promotion
        raise Refusal(f"{name} is moved at the moment, by promotion {active}; wait for its end.")
    if brought is not None:
        aggregate = on.add_event(
            aggregate, aggregate.promotions[brought], now, f"{name} was taken away with its data", by
        )
        aggregate = on.change(aggregate, aggregate.promotions[brought], removed_by=by)
    aggregate = on.record(aggregate, brought or "", now, "removed", by=by, before=running.release.id)
    aggregate = on.set_target(aggregate, None, now, brought or "")
    return replace(aggregate, stage=replace(aggregate.stage, verified=(), lock=None, hold=None, pin=None))


def pin(aggregate: StageAggregate, promotion: Promotion, wanted: Pin, now: datetime) -> StageAggregate:
    """`.greenroom.yml` asks for it."""
    aggregate = request(aggregate, promotion, now)
    return replace(aggregate, stage=replace(aggregate.stage, pin=replace(wanted, promotion=promotion.id)))


def record_pin(aggregate: StageAggregate, wanted: Pin | None, now: datetime) -> StageAggregate:
    """What `.greenroom.yml` asks for and cannot be followed yet, or that it asks for nothing any more."""
    before = aggregate.stage.pin
    if wanted == before:
        return aggregate
    aggregate = replace(aggregate, stage=replace(aggregate.stage, pin=wanted))
    return on.record(
        aggregate,
        "",
        now,
        "pinned" if wanted is not None else "unpinned",
        why=wanted.problem if wanted is not None else "",
        before=before.release if before is not None else "",
        after=wanted.release if wanted is not None else "",
    )


def begin_rollback(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """Back to what was verified last, in one step; what moves the stage at the moment goes back too."""
    name, by = aggregate.stage.name, promotion.requested_by
    if promotion.id in aggregate.promotions:
        return aggregate
    _not_locked(aggregate, by, now)
    moving = aggregate.promotions.get(aggregate.stage.active_promotion or "")
    if moving is not None:
        return abort(aggregate, moving, by, "rollback", now)
    running = aggregate.stage.target
    if running is None:
        raise Refusal(f"Nothing runs on {name}, so there is nothing to go back from.")
    good = on.is_verified(aggregate, running)
    target = on.last_verified(aggregate, running if good else None)
    if target is None:
        raise Refusal(f"There is no verified release that {name} could go back to.")
    aggregate = request(
        aggregate,
        replace(
            promotion,
            kind=PromotionKind.ROLLBACK,
            release=target.release,
            policy=target.configuration,
            configuration=target.configuration,
            rollback_target=target,
            placed_hold=True,
            timeline=(TimelineEntry(now, f"Rollback of {name} to release {target.release.id}", by),),
        ),
        now,
    )
    for other in list(aggregate.promotions.values()):
        if other.automatic and other.state in PENDING:
            aggregate = on.transition(aggregate, other, State.REJECTED, now, f"{by} took {name} back")
    aggregate = on.revoke_verification(aggregate, running)
    aggregate = on.hold(
        aggregate, now, f"{by} took it back from release {running.release.id}", by, promotion.id
    )
    aggregate = on.set_target(aggregate, target, now, promotion.id)
    return on.transition(aggregate, aggregate.promotions[promotion.id], State.ROLLING_BACK, now, by=by)


def approve(
    aggregate: StageAggregate,
    promotion: Promotion,
    by: str,
    teams: Sequence[str],
    protection: Protection,
    now: datetime,
) -> StageAggregate:
    """`teams`: those of the teams asked for that the person is in; `protection`: as it was just read."""
    release = promotion.release
    if promotion.state in PENDING and release is not None:
        aggregate = environment.follow(aggregate, promotion, protection, now)
        promotion = aggregate.promotions[promotion.id]
    needed = requirement(promotion)
    if needed is None or release is None or promotion.state not in PENDING:
        raise Refusal(f"Promotion {promotion.id} does not wait for an approval: it is {promotion.state}.")
    why = objection(promotion, needed, by, teams)
    if why is not None:
        raise Refusal(f"This does not count as an approval: {why}.")
    mine = [each for each in valid_approvals(promotion, needed, now) if each.by.lower() == by.lower()]
    if any(set(teams) <= set(each.teams) for each in mine):
        return aggregate
    approval = Approval(by, now, release.id, promotion.configuration_digest, tuple(teams))
    others = tuple(each for each in promotion.approvals if each.by.lower() != by.lower())
    aggregate = on.change(aggregate, promotion, approvals=(*others, approval))
    told = f"approved, {approval_count(aggregate.promotions[promotion.id], needed, now)} of {needed.count}"
    if needed.of_environment(by, teams):
        also = f"for the GitHub Environment {promotion.stage.name}"
        told = f"{told} and {also}" if needed.of_pipeline(teams) else f"approved {also}"
    aggregate = on.record(aggregate, promotion.id, now, "approved", by=by, why=told, after=release.id)
    aggregate = on.add_event(
        aggregate, aggregate.promotions[promotion.id], now, f"{told[:1].upper()}{told[1:]}", by
    )
    promotion = aggregate.promotions[promotion.id]
    return on.change(aggregate, promotion, missing=missing_approvals(promotion, now))


def reject(
    aggregate: StageAggregate, promotion: Promotion, by: str, why: str, now: datetime
) -> StageAggregate:
    if promotion.state not in PENDING:
        raise Refusal(
            f"Promotion {promotion.id} is {promotion.state} and can be rejected no more. "
            f"`/abort {promotion.stage.name}` ends what runs."
        )
    told = f"{by} rejected it: {why}" if why else f"{by} rejected it"
    return on.transition(aggregate, promotion, State.REJECTED, now, told, by)


def abort(
    aggregate: StageAggregate, promotion: Promotion, by: str, why: str, now: datetime
) -> StageAggregate:
    told = f"{by} aborted it: {why}" if why else f"{by} aborted it"
    if promotion.state in PENDING:
        return on.transition(aggregate, promotion, State.ABORTED, now, told, by)
    if promotion.state not in ACTIVE:
        raise Refusal(f"Promotion {promotion.id} has ended: it is {promotion.state}.")
    if promotion.state is State.ROLLING_BACK:
        raise Refusal(f"{promotion.stage.name} is already going back; that is not stopped halfway.")
    if promotion.rollback_target is None and not policy(promotion).ephemeral:
        told += f"; there is nothing to go back to, so {promotion.stage.name} keeps what runs there"
    aggregate = on.transition(aggregate, promotion, State.ABORTED, now, told, by)
    return go_back(aggregate, aggregate.promotions[promotion.id], now, told, by)


def pause(aggregate: StageAggregate, promotion: Promotion, by: str, now: datetime) -> StageAggregate:
    if promotion.state not in PENDING | ACTIVE or promotion.state is State.ROLLING_BACK:
        raise Refusal(f"Promotion {promotion.id} cannot be paused: it is {promotion.state}.")
    if promotion.paused_by:
        raise Refusal(f"Promotion {promotion.id} is paused already, by {promotion.paused_by}.")
    aggregate = on.record(aggregate, promotion.id, now, "paused", by=by)
    aggregate = on.add_event(aggregate, promotion, now, "Paused", by)
    paused = aggregate.promotions[promotion.id]
    return on.change(aggregate, paused, paused_by=by, paused_at=now, deadline=now + _PAUSE)


def resume(aggregate: StageAggregate, promotion: Promotion, by: str, now: datetime) -> StageAggregate:
    if not promotion.paused_by or promotion.paused_at is None:
        raise Refusal(f"Promotion {promotion.id} is not paused.")
    aggregate = on.record(aggregate, promotion.id, now, "resumed", by=by)
    aggregate = on.add_event(aggregate, promotion, now, "Resumed", by)
    resumed = aggregate.promotions[promotion.id]
    deadline = now + on.STATE_TIMEOUTS[promotion.state]
    if promotion.state is State.SOAKING:
        deadline += policy(promotion).soak
    return on.change(aggregate, resumed, paused_by="", paused_at=None, deadline=deadline)


def lock(aggregate: StageAggregate, by: str, until: datetime, why: str, now: datetime) -> StageAggregate:
    _not_locked(aggregate, by, now)
    if until > now + LONGEST_LOCK:
        raise Refusal(f"A lock lasts {LONGEST_LOCK.days} days at most.")
    moving = aggregate.promotions.get(aggregate.stage.active_promotion or "")
    if moving is not None and moving.requested_by.lower() != by.lower():
        whose = moving.requested_by or "the pipeline"
        raise Refusal(f"{aggregate.stage.name} is moved by {whose} at the moment; lock it afterwards.")
    aggregate = replace(aggregate, stage=replace(aggregate.stage, lock=Lock(by, now, until, why)))
    return on.record(aggregate, "", now, "locked", by=by, why=why, after=f"until {until:%Y-%m-%d %H:%M} UTC")


def unlock(aggregate: StageAggregate, by: str, may_take: bool, now: datetime) -> StageAggregate:
    """`may_take`: whether the person may lift somebody else's lock."""
    found = aggregate.stage.lock
    if found is None or now >= found.until:
        raise Refusal(f"{aggregate.stage.name} is not locked.")
    if found.by.lower() != by.lower() and not may_take:
        name = aggregate.stage.name
        raise Refusal(f"{found.by} locked {name}; they can unlock it, or somebody with the role `maintain`.")
    aggregate = replace(aggregate, stage=replace(aggregate.stage, lock=None))
    return on.record(aggregate, "", now, "unlocked", by=by, before=f"locked by {found.by}")


def hold(aggregate: StageAggregate, by: str, why: str, now: datetime) -> StageAggregate:
    if aggregate.stage.hold is not None:
        raise Refusal(f"{aggregate.stage.name} is on hold already: {aggregate.stage.hold.reason}.")
    return on.hold(aggregate, now, why or f"{by} asked for it", by, "")


def unhold(aggregate: StageAggregate, by: str, now: datetime) -> StageAggregate:
    if aggregate.stage.hold is None:
        raise Refusal(f"{aggregate.stage.name} is not on hold.")
    before, pin = aggregate.stage.hold.reason, aggregate.stage.pin
    last = aggregate.stage.verified[-1].promotion if aggregate.stage.verified else ""
    # What the file asks for and failed is tried once more.
    kept = pin if pin is None or pin.promotion == last else None
    aggregate = replace(aggregate, stage=replace(aggregate.stage, hold=None, pin=kept))
    return on.record(aggregate, "", now, "unhold", by=by, before=before)


def _not_locked(aggregate: StageAggregate, by: str, now: datetime) -> None:
    if why := on.lock_reason(aggregate.stage, by, now):
        raise Refusal(f"{why}.")
