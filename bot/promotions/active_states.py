"""A promotion while its stage is in its hands: deploying, verifying, soaking, and on the way back. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.model.environment import CheckState
from bot.model.naming import namespace_name
from bot.model.promotion import Promotion, PromotionState, StageAggregate
from bot.model.release import Target
from bot.promotions import stage_aggregate as on
from bot.promotions.facts import Facts, RolloutState
from bot.promotions.pipeline import policy, stage_in

State = PromotionState


def begin(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    assert promotion.release is not None, "it was found before the gates"
    stage = stage_in(promotion.configuration, promotion.stage.name)
    back = None if stage.ephemeral else on.last_verified(aggregate)
    aggregate = replace(aggregate, stage=replace(aggregate.stage, namespace=_namespace(aggregate, promotion)))
    aggregate = on.set_target(
        aggregate, Target(promotion.release, promotion.configuration, 0), now, promotion.id
    )
    return on.transition(
        aggregate, promotion, State.DEPLOYING, now, rollback_target=back, checks=(), url=None
    )


def _namespace(aggregate: StageAggregate, promotion: Promotion) -> str:
    """Where the stage stands already it stays, with its data, however the repository is called by now."""
    record, name = aggregate.stage, promotion.stage.name
    given = stage_in(promotion.configuration, name).namespace
    if given is not None:
        return given
    stood = record.target is not None and stage_in(record.target.configuration, name).namespace is None
    return record.namespace if stood else namespace_name(promotion.stage, promotion.repository)


def deploying(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    progress = facts.progress
    if (failure := _failure(facts)) is not None:
        return fail(aggregate, promotion, now, *failure)
    if progress.state is RolloutState.IN_PROGRESS:
        return _told_wait(aggregate, promotion, facts)
    return on.transition(aggregate, promotion, State.VERIFYING, now, checks=progress.checks, url=progress.url)


def verifying(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    aggregate = _told_checks(aggregate, promotion, facts)
    promotion = aggregate.promotions[promotion.id]
    if (failure := _failure(facts)) is not None:
        return fail(aggregate, promotion, now, *failure)
    if facts.progress.state is not RolloutState.VERIFIED:
        return _told_wait(aggregate, promotion, facts)
    soak = policy(promotion).soak
    if not soak:
        return _succeed(aggregate, promotion, now)
    aggregate = on.transition(aggregate, promotion, State.SOAKING, now)
    promotion = aggregate.promotions[promotion.id]
    return on.change(aggregate, promotion, deadline=promotion.deadline + soak)


def soaking(aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime) -> StageAggregate:
    if (failure := _failure(facts)) is not None:
        return fail(aggregate, promotion, now, *failure)
    if now < soaked_at(promotion) or facts.progress.state is not RolloutState.VERIFIED:
        return _told_wait(aggregate, promotion, facts)
    return _succeed(aggregate, promotion, now)


def soaked_at(promotion: Promotion) -> datetime:
    return promotion.since + policy(promotion).soak


def _succeed(aggregate: StageAggregate, promotion: Promotion, now: datetime) -> StageAggregate:
    aggregate = on.verify(aggregate, promotion, now)
    aggregate = on.transition(aggregate, promotion, State.SUCCEEDED, now)
    return on.set_target(aggregate, None, now, promotion.id) if policy(promotion).ephemeral else aggregate


def fail(
    aggregate: StageAggregate, promotion: Promotion, now: datetime, why: str, detail: str = ""
) -> StageAggregate:
    """What it did to the stage is undone, and nothing automatic follows it until somebody says so."""
    if promotion.state is State.ROLLING_BACK:
        return on.transition(aggregate, promotion, State.ROLLBACK_FAILED, now, why, detail=detail)
    aggregate = on.transition(aggregate, promotion, State.FAILED, now, why, detail=detail)
    return go_back(
        aggregate, aggregate.promotions[promotion.id], now, f"{_named(promotion)} failed: {why}", ""
    )


def _named(promotion: Promotion) -> str:
    """As people know it: by what it brings."""
    return f"release {promotion.release.id}" if promotion.release is not None else f"promotion {promotion.id}"


def go_back(
    aggregate: StageAggregate, promotion: Promotion, now: datetime, why: str, by: str
) -> StageAggregate:
    """From a promotion that has begun; it stays ended where there is nothing to go back to."""
    if policy(promotion).ephemeral:
        return on.set_target(aggregate, None, now, promotion.id)
    aggregate = on.hold(aggregate, now, why, by, promotion.id)
    aggregate = on.change(aggregate, promotion, placed_hold=True)
    if promotion.rollback_target is None:
        return aggregate
    aggregate = on.set_target(aggregate, promotion.rollback_target, now, promotion.id)
    return on.transition(
        aggregate, aggregate.promotions[promotion.id], State.ROLLING_BACK, now, promotion.reason, by
    )


def rolling_back(
    aggregate: StageAggregate, promotion: Promotion, facts: Facts, now: datetime
) -> StageAggregate:
    if (failure := _failure(facts)) is not None:
        return on.transition(aggregate, promotion, State.ROLLBACK_FAILED, now, failure[0], detail=failure[1])
    if facts.progress.state is not RolloutState.VERIFIED:
        return _told_wait(aggregate, promotion, facts)
    return on.transition(
        aggregate, promotion, State.ROLLED_BACK, now, promotion.reason, url=facts.progress.url
    )


def _failure(facts: Facts) -> tuple[str, str] | None:
    if facts.progress.state is RolloutState.FAILED:
        return facts.progress.reason, facts.progress.detail
    for check in facts.progress.checks:
        if check.state is CheckState.FAILED:
            return f"the check {check.name} failed: {check.summary}".rstrip("."), check.detail
    return None


def _told_checks(aggregate: StageAggregate, promotion: Promotion, facts: Facts) -> StageAggregate:
    progress = facts.progress
    if progress.state is RolloutState.IN_PROGRESS or progress.checks == promotion.checks:
        return aggregate
    return on.change(aggregate, promotion, checks=progress.checks)


def _told_wait(aggregate: StageAggregate, promotion: Promotion, facts: Facts) -> StageAggregate:
    """It stays where it is; what keeps it there is told."""
    return on.change(aggregate, promotion, waiting_for=facts.progress.reason)
