"""The verdict about a step: pass, fail or inconclusive, from the counts of both sides. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.environments.rollouts.exact_test import share_exceeds, share_is_higher
from bot.model.rollout import Counts, Decision, Grade, Look, Quantity, StepCounts

_CHANCE = 0.001
"""A difference counts if equal versions show it in fewer cases."""
_RATIO = 1.1
"""A smaller difference does not count, however certain it is."""
_MUCH_WORSE, _MUCH_WORSE_ERRORS = 3, 20
_SOFT_FAILURES = 2
"""Consecutive soft failures that roll back; equal versions rarely show two."""
_PROVIDER_ERRORS = 4
_PAUSE_AFTER = timedelta(minutes=15)
_ROLL_BACK_AFTER = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a step must show."""

    looks: int = 5
    requests: int = 200
    """On each side."""
    success: float = 0.99
    """Share of requests without an error; waived where the stable side is below it."""
    slow: float | None = None
    """Seconds after which a request counts as slow; None compares no durations."""
    pause_after: timedelta = _PAUSE_AFTER
    roll_back_after: timedelta = _ROLL_BACK_AFTER


def grade(stable: Counts, candidate: Counts, criteria: Criteria) -> Look:
    """What the counts of a step show; the first quantity that is worse counts."""
    few = min(stable.requests, candidate.requests) < criteria.requests
    chance = share_is_higher(candidate.errors, candidate.requests, stable.errors, stable.requests)
    ratio = _ratio(candidate.error_share, stable.error_share)
    if ratio >= _MUCH_WORSE and candidate.errors >= _MUCH_WORSE_ERRORS and chance <= _CHANCE:
        return Look(Grade.MUCH_WORSE, stable, candidate, Quantity.ERRORS, chance)
    if few:
        return Look(Grade.FEW, stable, candidate)
    if ratio > _RATIO and chance <= _CHANCE:
        return Look(Grade.WORSE, stable, candidate, Quantity.ERRORS, chance)
    allowed = 1 - criteria.success
    chance = share_exceeds(candidate.errors, candidate.requests, allowed)
    if chance <= _CHANCE and stable.error_share <= allowed:
        return Look(Grade.WORSE, stable, candidate, Quantity.SUCCESS, chance)
    if criteria.slow is not None:
        slow, others = candidate.slower_than(criteria.slow), stable.slower_than(criteria.slow)
        if slow is not None and others is not None:
            chance = share_is_higher(slow, candidate.requests, others, stable.requests)
            ratio = _ratio(slow / candidate.requests, others / stable.requests)
            if ratio > _RATIO and chance <= _CHANCE:
                return Look(Grade.WORSE, stable, candidate, Quantity.SLOW, chance)
    return Look(Grade.GOOD, stable, candidate)


def _ratio(share: float, other: float) -> float:
    if other:
        return share / other
    return float("inf") if share else 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a look at a step."""

    decision: Decision
    step: StepCounts
    look: Look | None = None
    """None without an answer of the metrics provider."""


def after_look(
    step: StepCounts, stable: Counts, candidate: Counts, criteria: Criteria, now: datetime
) -> Verdict:
    """The verdict after a look that adds counts to the step."""
    step = replace(
        step,
        looks=step.looks + 1,
        provider_errors=0,
        stable=step.stable + stable,
        candidate=step.candidate + candidate,
    )
    look = grade(step.stable, step.candidate, criteria)
    soft = step.soft_failures + 1 if look.grade is Grade.WORSE else 0
    step = replace(step, soft_failures=soft)
    if look.grade is Grade.MUCH_WORSE or soft >= _SOFT_FAILURES:
        return Verdict(Decision.ROLL_BACK, step, look)
    if look.grade is Grade.GOOD:
        return Verdict(Decision.ADVANCE if step.looks >= criteria.looks else Decision.WAIT, step, look)
    return Verdict(_patience(step, criteria, now), step, look)


def after_provider_error(step: StepCounts, criteria: Criteria, now: datetime) -> Verdict:
    """The verdict after a look to which the metrics provider gave no answer."""
    step = replace(step, provider_errors=step.provider_errors + 1)
    if step.provider_errors >= _PROVIDER_ERRORS:
        return Verdict(Decision.PAUSE, step)
    return Verdict(_patience(step, criteria, now), step)


def is_overdue(step: StepCounts, criteria: Criteria, now: datetime) -> bool:
    """Whether the step was inconclusive for so long that it ends."""
    return now - step.since >= criteria.roll_back_after


def _patience(step: StepCounts, criteria: Criteria, now: datetime) -> Decision:
    if is_overdue(step, criteria, now):
        return Decision.ROLL_BACK
    return Decision.PAUSE if now - step.since >= criteria.pause_after else Decision.WAIT
