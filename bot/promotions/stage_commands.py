"""What people ask of a stage and its promotions: pure changes of the board, or a Refusal that says why."""

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
from bot.promotions.approvals import counting, given, missing, objection, wanted
from bot.promotions.pipeline import policy
from bot.promotions.stage_aggregate import Refusal

DEFAULT_LOCK = timedelta(hours=1)
LONGEST_LOCK = timedelta(days=14)
_PAUSE = timedelta(days=7)
"""How long a promotion may be paused before its time is up."""

State = PromotionState


def request(board: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """A new promotion; the same request a second time changes nothing."""
    if promotion.id in board.promotions:
        return board
    board = replace(board, promotions={**board.promotions, promotion.id: promotion})
    return on.record(
        board,
        promotion.id,
        now,
        "requested",
        by=promotion.requested_by,
        why=promotion.note,
        after=promotion.state.value,
    )


def remove(board: StageAggregate, brought: str | None, by: str, now: datetime) -> StageAggregate:
    """Away with what is configured no more; `brought` is the promotion that brought it there."""
    name, running = board.stage.name, board.stage.target
    if running is None:
        raise Refusal(f"Nothing runs on {name}.")
    if board.stage.active_promotion is not None:
        raise Refusal(
            f"{name} is moved at the moment, by promotion {board.stage.active_promotion}; wait for its end."
        )
    if brought is not None:
        board = on.add_event(
            board, board.promotions[brought], now, f"{name} was taken away with its data", by
        )
        board = on.change(board, board.promotions[brought], removed_by=by)
    board = on.record(board, brought or "", now, "removed", by=by, before=running.release.id)
    board = on.set_target(board, None, now, brought or "")
    return replace(board, stage=replace(board.stage, verified=(), lock=None, hold=None, pin=None))


def pin(board: StageAggregate, promotion: Promotion, wanted: Pin, now: datetime) -> StageAggregate:
    """`.greenroom.yml` asks for it."""
    board = request(board, promotion, now)
    return replace(board, stage=replace(board.stage, pin=replace(wanted, promotion=promotion.id)))


def remember_pin(board: StageAggregate, wanted: Pin | None, now: datetime) -> StageAggregate:
    """What `.greenroom.yml` asks for and cannot be followed yet, or that it asks for nothing any more."""
    before = board.stage.pin
    if wanted == before:
        return board
    board = replace(board, stage=replace(board.stage, pin=wanted))
    return on.record(
        board,
        "",
        now,
        "pinned" if wanted is not None else "unpinned",
        why=wanted.why if wanted is not None else "",
        before=before.release if before is not None else "",
        after=wanted.release if wanted is not None else "",
    )


def begin_rollback(board: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    """Back to what was verified last, in one step; what moves the stage at the moment goes back too."""
    name, by = board.stage.name, promotion.requested_by
    if promotion.id in board.promotions:
        return board
    _not_locked(board, by, now)
    moving = board.promotions.get(board.stage.active_promotion or "")
    if moving is not None:
        return abort(board, moving, by, "rollback", now)
    running = board.stage.target
    if running is None:
        raise Refusal(f"Nothing runs on {name}, so there is nothing to go back from.")
    good = on.is_verified(board, running)
    target = on.last_verified(board, running if good else None)
    if target is None:
        raise Refusal(f"There is no verified release that {name} could go back to.")
    board = request(
        board,
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
    for other in list(board.promotions.values()):
        if other.automatic and other.state in PENDING:
            board = on.transition(board, other, State.REJECTED, now, f"{by} took {name} back")
    board = on.revoke_verification(board, running)
    board = on.hold(board, now, f"{by} took it back from release {running.release.id}", by, promotion.id)
    board = on.set_target(board, target, now, promotion.id)
    return on.transition(board, board.promotions[promotion.id], State.ROLLING_BACK, now, by=by)


def approve(
    board: StageAggregate,
    promotion: Promotion,
    by: str,
    teams: Sequence[str],
    protection: Protection,
    now: datetime,
) -> StageAggregate:
    """`teams`: those of the teams asked for that the person is in; `protection`: as it was just read."""
    release = promotion.release
    if promotion.state in PENDING and release is not None:
        board = environment.follow(board, promotion, protection, now)
        promotion = board.promotions[promotion.id]
    needed = wanted(promotion)
    if needed is None or release is None or promotion.state not in PENDING:
        raise Refusal(f"Promotion {promotion.id} does not wait for an approval: it is {promotion.state}.")
    why = objection(promotion, needed, by, teams)
    if why is not None:
        raise Refusal(f"This does not count as an approval: {why}.")
    mine = [each for each in counting(promotion, needed, now) if each.by.lower() == by.lower()]
    if any(set(teams) <= set(each.teams) for each in mine):
        return board
    approval = Approval(by, now, release.id, promotion.configuration_digest, tuple(teams))
    others = tuple(each for each in promotion.approvals if each.by.lower() != by.lower())
    board = on.change(board, promotion, approvals=(*others, approval))
    told = f"approved, {given(board.promotions[promotion.id], needed, now)} of {needed.count}"
    if needed.of_environment(by, teams):
        also = f"for the GitHub Environment {promotion.stage.name}"
        told = f"{told} and {also}" if needed.of_pipeline(teams) else f"approved {also}"
    board = on.record(board, promotion.id, now, "approved", by=by, why=told, after=release.id)
    board = on.add_event(board, board.promotions[promotion.id], now, f"{told[:1].upper()}{told[1:]}", by)
    promotion = board.promotions[promotion.id]
    return on.change(board, promotion, missing=missing(promotion, now))


def reject(board: StageAggregate, promotion: Promotion, by: str, why: str, now: datetime) -> StageAggregate:
    if promotion.state not in PENDING:
        raise Refusal(
            f"Promotion {promotion.id} is {promotion.state} and can be rejected no more. "
            f"`/abort {promotion.stage.name}` ends what runs."
        )
    told = f"{by} rejected it: {why}" if why else f"{by} rejected it"
    return on.transition(board, promotion, State.REJECTED, now, told, by)


def abort(board: StageAggregate, promotion: Promotion, by: str, why: str, now: datetime) -> StageAggregate:
    told = f"{by} aborted it: {why}" if why else f"{by} aborted it"
    if promotion.state in PENDING:
        return on.transition(board, promotion, State.ABORTED, now, told, by)
    if promotion.state not in ACTIVE:
        raise Refusal(f"Promotion {promotion.id} has ended: it is {promotion.state}.")
    if promotion.state is State.ROLLING_BACK:
        raise Refusal(f"{promotion.stage.name} is already going back; that is not stopped halfway.")
    if promotion.rollback_target is None and not policy(promotion).ephemeral:
        told += f"; there is nothing to go back to, so {promotion.stage.name} keeps what runs there"
    board = on.transition(board, promotion, State.ABORTED, now, told, by)
    return go_back(board, board.promotions[promotion.id], now, told, by)


def pause(board: StageAggregate, promotion: Promotion, by: str, now: datetime) -> StageAggregate:
    if promotion.state not in PENDING | ACTIVE or promotion.state is State.ROLLING_BACK:
        raise Refusal(f"Promotion {promotion.id} cannot be paused: it is {promotion.state}.")
    if promotion.paused_by:
        raise Refusal(f"Promotion {promotion.id} is paused already, by {promotion.paused_by}.")
    board = on.record(board, promotion.id, now, "paused", by=by)
    board = on.add_event(board, promotion, now, "Paused", by)
    paused = board.promotions[promotion.id]
    return on.change(board, paused, paused_by=by, paused_at=now, deadline=now + _PAUSE)


def resume(board: StageAggregate, promotion: Promotion, by: str, now: datetime) -> StageAggregate:
    if not promotion.paused_by or promotion.paused_at is None:
        raise Refusal(f"Promotion {promotion.id} is not paused.")
    board = on.record(board, promotion.id, now, "resumed", by=by)
    board = on.add_event(board, promotion, now, "Resumed", by)
    resumed = board.promotions[promotion.id]
    deadline = now + on.STATE_TIMEOUTS[promotion.state]
    if promotion.state is State.SOAKING:
        deadline += policy(promotion).soak
    return on.change(board, resumed, paused_by="", paused_at=None, deadline=deadline)


def lock(board: StageAggregate, by: str, until: datetime, why: str, now: datetime) -> StageAggregate:
    _not_locked(board, by, now)
    if until > now + LONGEST_LOCK:
        raise Refusal(f"A lock lasts {LONGEST_LOCK.days} days at most.")
    moving = board.promotions.get(board.stage.active_promotion or "")
    if moving is not None and moving.requested_by.lower() != by.lower():
        whose = moving.requested_by or "the pipeline"
        raise Refusal(f"{board.stage.name} is moved by {whose} at the moment; lock it afterwards.")
    board = replace(board, stage=replace(board.stage, lock=Lock(by, now, until, why)))
    return on.record(board, "", now, "locked", by=by, why=why, after=f"until {until:%Y-%m-%d %H:%M} UTC")


def unlock(board: StageAggregate, by: str, may_take: bool, now: datetime) -> StageAggregate:
    """`may_take`: whether the person may lift somebody else's lock."""
    found = board.stage.lock
    if found is None or now >= found.until:
        raise Refusal(f"{board.stage.name} is not locked.")
    if found.by.lower() != by.lower() and not may_take:
        raise Refusal(
            f"{found.by} locked {board.stage.name}; they can unlock it, or somebody with the role `maintain`."
        )
    board = replace(board, stage=replace(board.stage, lock=None))
    return on.record(board, "", now, "unlocked", by=by, before=f"locked by {found.by}")


def hold(board: StageAggregate, by: str, why: str, now: datetime) -> StageAggregate:
    if board.stage.hold is not None:
        raise Refusal(f"{board.stage.name} is on hold already: {board.stage.hold.why}.")
    return on.hold(board, now, why or f"{by} asked for it", by, "")


def unhold(board: StageAggregate, by: str, now: datetime) -> StageAggregate:
    if board.stage.hold is None:
        raise Refusal(f"{board.stage.name} is not on hold.")
    before, pin = board.stage.hold.why, board.stage.pin
    last = board.stage.verified[-1].promotion if board.stage.verified else ""
    # What the file asks for and failed is tried once more.
    kept = pin if pin is None or pin.promotion == last else None
    board = replace(board, stage=replace(board.stage, hold=None, pin=kept))
    return on.record(board, "", now, "unhold", by=by, before=before)


def _not_locked(board: StageAggregate, by: str, now: datetime) -> None:
    if why := on.locked(board.stage, by, now):
        raise Refusal(f"{why}.")
