"""One look at the metrics of both sides of a rollout, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.config.rollouts import Canary
from bot.environments.context import ReconcileContext
from bot.environments.reasons import EnvironmentReason
from bot.environments.rollout_reasons import CandidateWorse, Inconclusive, MetricsSilent, NoMetrics
from bot.environments.rollouts.ports import MetricsReader
from bot.environments.rollouts.verdict import Criteria, Verdict, after_look, after_provider_error
from bot.model.errors import Unavailable
from bot.model.rollout import (
    NO_COUNTS,
    Counts,
    Decision,
    Grade,
    Rollout,
    Side,
    StepCounts,
    StepResult,
)

Seen = Mapping[str, Mapping[str, Counts]]


@dataclass(frozen=True, slots=True)
class Policy:
    interval: timedelta
    criteria: Criteria


@dataclass(frozen=True, slots=True)
class LookResult:
    """The result of a look at both sides of a step."""

    rollout: Rollout
    decision: Decision
    reason: EnvironmentReason | None
    """Why the rollout pauses or returns."""
    worse: bool
    """Whether the candidate is worse, rather than the step inconclusive."""


def criteria(context: ReconcileContext) -> Policy:
    """What the steps of the stage must show."""
    canary = context.section_rollout.canary
    return policy_of(canary) if canary is not None else Policy(timedelta(), Criteria())


def policy_of(canary: Canary) -> Policy:
    """The policy of a canary. No step is inconclusive before all of its looks were due."""
    analysis = canary.analysis
    later = max(canary.interval * analysis.looks - analysis.pause_after, timedelta())
    return Policy(
        canary.interval,
        Criteria(
            looks=analysis.looks,
            requests=analysis.requests,
            success=analysis.success / 100,
            slow=analysis.slow,
            pause_after=analysis.pause_after + later,
            roll_back_after=analysis.roll_back_after + later,
        ),
    )


def metrics_of(context: ReconcileContext) -> MetricsReader | None:
    """The provider of the stage's analysis; None if the repository may not use any."""
    providers, environment = context.ports.metrics, context.environment
    if providers is None:
        return None
    return providers.reader(_provider(context), environment.repository, environment.cluster)


def missing_metrics(context: ReconcileContext) -> NoMetrics:
    providers, environment = context.ports.metrics, context.environment
    granted = providers.names(environment.repository, environment.cluster) if providers is not None else ()
    return NoMetrics(_provider(context), tuple(granted))


def _provider(context: ReconcileContext) -> str | None:
    canary = context.section_rollout.canary
    return canary.analysis.provider if canary is not None else None


async def starting_counts(context: ReconcileContext, rollout: Rollout) -> Seen:
    """The counters before a step; none if the provider is silent: the first look then counts nothing."""
    try:
        return await _read(context, rollout)
    except Unavailable:
        return {}


async def look(context: ReconcileContext, rollout: Rollout, now: datetime) -> LookResult:
    policy = criteria(context)
    step = rollout.counts or StepCounts(now)
    error, seen = "", rollout.seen
    try:
        seen = await _read(context, rollout)
        _require_bound(seen, policy.criteria.slow)
        stable, candidate = (_added(rollout.seen, seen, side) for side in Side)
        verdict = after_look(step, stable, candidate, policy.criteria, now)
    except Unavailable as failure:
        error = str(failure)
        verdict = after_provider_error(step, policy.criteria, now)
    results = _results(rollout, verdict)
    rollout = replace(
        rollout,
        counts=verdict.step,
        seen=seen,
        next_look=now + policy.interval,
        report=replace(rollout.report, results=results),
    )
    worse = verdict.look is not None and verdict.look.grade in (Grade.WORSE, Grade.MUCH_WORSE)
    return LookResult(rollout, verdict.decision, _reason(rollout, verdict, policy, error, worse, now), worse)


async def _read(context: ReconcileContext, rollout: Rollout) -> Seen:
    metrics, driver, bundle = metrics_of(context), context.ports.rollouts, context.release_bundle
    if metrics is None or driver is None or bundle is None:
        raise Unavailable(context.describe(missing_metrics(context)))
    stable = await metrics.read(context.namespace, driver.backends(bundle))
    candidate = await metrics.read(context.namespace, driver.candidate_backends(bundle, rollout.suffix))
    sides = {Side.STABLE.value: stable, Side.CANDIDATE.value: candidate}
    # A source that is missing in one answer comes back with all that it has ever counted.
    return {side: {**rollout.seen.get(side, {}), **now} for side, now in sides.items()}


def _require_bound(seen: Seen, slow: float | None) -> None:
    """Raises Unavailable where requests were counted without the bound: durations would not be compared."""
    if slow is None:
        return
    for sources in seen.values():
        total = sum(sources.values(), NO_COUNTS)
        if total.requests and total.slower_than(slow) is None:
            bounds = ", ".join(sorted(total.buckets, key=float)) or "none"
            raise Unavailable(f"The histogram has no bound of {slow:g} s for `slow` (bounds: {bounds}).")


def _added(before: Seen, now: Seen, side: Side) -> Counts:
    """What was counted since the last look; a source that appears later counts from 0."""
    if side.value not in before:
        return NO_COUNTS
    earlier = before[side.value]
    total = NO_COUNTS
    for source, counts in now[side.value].items():
        total += counts.since(earlier.get(source, NO_COUNTS))
    return total


def _results(rollout: Rollout, verdict: Verdict) -> tuple[StepResult, ...]:
    *earlier, last = rollout.report.results
    step = verdict.step
    grade = verdict.look.grade if verdict.look is not None else last.grade
    shown = replace(last, looks=step.looks, stable=step.stable, candidate=step.candidate, grade=grade)
    return (*earlier, shown)


def _reason(
    rollout: Rollout, verdict: Verdict, policy: Policy, error: str, worse: bool, now: datetime
) -> EnvironmentReason | None:
    if worse and verdict.look is not None:
        return CandidateWorse(rollout.weight, verdict.look, policy.criteria.slow)
    if verdict.decision not in (Decision.PAUSE, Decision.ROLL_BACK):
        return None
    step = verdict.step
    if error and verdict.decision is Decision.PAUSE:
        return MetricsSilent(step.provider_errors, error)
    return Inconclusive(
        rollout.weight,
        now - step.since,
        step.candidate.requests,
        step.stable.requests,
        policy.criteria.requests,
    )
