"""A promotion while its stage is in its hands: deploying, verifying, soaking, and on the way back. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.model.environment import CheckState
from bot.model.naming import namespace_name
from bot.model.promotion import Promotion, PromotionState, StageAggregate
from bot.model.release import Target
from bot.promotions import stage_aggregate as on
from bot.promotions.facts import Facts, Rollout
from bot.promotions.pipeline import policy, stage_in

State = PromotionState


def begin(board: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    assert promotion.release is not None, "it was found before the gates"
    stage = stage_in(promotion.configuration, promotion.stage.name)
    back = None if stage.ephemeral else on.last_verified(board)
    board = replace(board, stage=replace(board.stage, namespace=_namespace(board, promotion)))
    board = on.set_target(board, Target(promotion.release, promotion.configuration, 0), now, promotion.id)
    return on.transition(board, promotion, State.DEPLOYING, now, rollback_target=back, checks=(), url=None)


def _namespace(board: StageAggregate, promotion: Promotion) -> str:
    """Where the stage stands already it stays, with its data, however the repository is called by now."""
    record, name = board.stage, promotion.stage.name
    given = stage_in(promotion.configuration, name).namespace
    if given is not None:
        return given
    stood = record.target is not None and stage_in(record.target.configuration, name).namespace is None
    return record.namespace if stood else namespace_name(promotion.stage, promotion.repository)


def deploying(board: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    progress = facts.progress
    if (failure := _failure(facts)) is not None:
        return fail(board, promotion, now, *failure)
    if progress.rollout is Rollout.UNDER_WAY:
        return _told_wait(board, promotion, facts)
    return on.transition(board, promotion, State.VERIFYING, now, checks=progress.checks, url=progress.url)


def verifying(board: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    board = _told_checks(board, promotion, facts)
    promotion = board.promotions[promotion.id]
    if (failure := _failure(facts)) is not None:
        return fail(board, promotion, now, *failure)
    if facts.progress.rollout is not Rollout.VERIFIED:
        return _told_wait(board, promotion, facts)
    soak = policy(promotion).soak
    if not soak:
        return _succeed(board, promotion, now)
    board = on.transition(board, promotion, State.SOAKING, now)
    promotion = board.promotions[promotion.id]
    return on.change(board, promotion, deadline=promotion.deadline + soak)


def soaking(board: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    if (failure := _failure(facts)) is not None:
        return fail(board, promotion, now, *failure)
    if now < soaked_at(promotion) or facts.progress.rollout is not Rollout.VERIFIED:
        return _told_wait(board, promotion, facts)
    return _succeed(board, promotion, now)


def soaked_at(promotion: Promotion) -> datetime:
    return promotion.since + policy(promotion).soak


def _succeed(board: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    board = on.verify(board, promotion, now)
    board = on.transition(board, promotion, State.SUCCEEDED, now)
    return on.set_target(board, None, now, promotion.id) if policy(promotion).ephemeral else board


def fail(
    board: StageAggregate, promotion: Promotion, now: datetime, why: str, detail: str = ""
) -> StageAggregate:
    """What it did to the stage is undone, and nothing automatic follows it until somebody says so."""
    if promotion.state is State.ROLLING_BACK:
        return on.transition(board, promotion, State.ROLLBACK_FAILED, now, why, detail=detail)
    board = on.transition(board, promotion, State.FAILED, now, why, detail=detail)
    return go_back(board, board.promotions[promotion.id], now, f"{_named(promotion)} failed: {why}", "")


def _named(promotion: Promotion) -> str:
    """As people know it: by what it brings."""
    return f"release {promotion.release.id}" if promotion.release is not None else f"promotion {promotion.id}"


def go_back(board: StageAggregate, promotion: Promotion, now: datetime, why: str, by: str) -> StageAggregate:
    """From a promotion that has begun; it stays ended where there is nothing to go back to."""
    if policy(promotion).ephemeral:
        return on.set_target(board, None, now, promotion.id)
    board = on.hold(board, now, why, by, promotion.id)
    board = on.change(board, promotion, placed_hold=True)
    if promotion.rollback_target is None:
        return board
    board = on.set_target(board, promotion.rollback_target, now, promotion.id)
    return on.transition(board, board.promotions[promotion.id], State.ROLLING_BACK, now, promotion.why, by)


def rolling_back(board: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    if (failure := _failure(facts)) is not None:
        return on.transition(board, promotion, State.ROLLBACK_FAILED, now, failure[0], detail=failure[1])
    if facts.progress.rollout is not Rollout.VERIFIED:
        return _told_wait(board, promotion, facts)
    return on.transition(board, promotion, State.ROLLED_BACK, now, promotion.why, url=facts.progress.url)


def _failure(facts: Facts) -> tuple[str, str] | None:
    if facts.progress.rollout is Rollout.FAILED:
        return facts.progress.why, facts.progress.detail
    for check in facts.progress.checks:
        if check.state is CheckState.FAILED:
            return f"the check {check.name} failed: {check.summary}".rstrip("."), check.detail
    return None


def _told_checks(board: StageAggregate, promotion: Promotion, facts: Facts) -> StageAggregate:
    progress = facts.progress
    if progress.rollout is Rollout.UNDER_WAY or progress.checks == promotion.checks:
        return board
    return on.change(board, promotion, checks=progress.checks)


def _told_wait(board: StageAggregate, promotion: Promotion, facts: Facts) -> StageAggregate:
    """It stays where it is; what keeps it there is told."""
    return on.change(board, promotion, waiting_for=facts.progress.why)
