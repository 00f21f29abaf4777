"""Decides whether an attempt runs a candidate beside the stable revision, and makes its bundle."""

from __future__ import annotations

import secrets
from dataclasses import replace
from hashlib import sha256

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Failed, Outcome
from bot.environments.phases.analysis import metrics_of, missing_metrics
from bot.environments.phases.drain import is_drained
from bot.environments.rollout_reasons import CandidateTooLarge, PlainRolloutReason
from bot.model.manifest import CANDIDATE_HEADER, CandidateRequest, StableSide
from bot.model.reason import Reported
from bot.model.rollout import Progress, Rollout, RolloutReport, Strategy

_TOKEN_BYTES = 24


async def use_candidate(context: ReconcileContext) -> Outcome:
    """Replaces the bundle with that of the candidate while a progressive rollout is in progress."""
    if not _is_progressive(context):
        return Done()
    driver = context.ports.rollouts
    assert driver is not None, "only a stage with a driver moves progressively"
    rollout = context.attempt.rollout
    if rollout is None:
        stable = await driver.stable(context.namespace, context.rendered)
        if not stable.exists or not stable.tracked or stable.current:
            return _roll(context, stable)
        if context.section_rollout.strategy is Strategy.CANARY and metrics_of(context) is None:
            return Failed(missing_metrics(context), final=True)
        rollout = _start(context, stable)
        context.update_attempt(replace(context.attempt, rollout=rollout))
        await driver.keep_size(context.namespace, stable.replicas, context.fence)
    if rollout.report.progress is Progress.RETURNED:
        return Failed(Reported(f"{rollout.report.problem}."), final=True)
    if rollout.returning and not rollout.final:
        return Failed(Reported(f"{rollout.returning}."), final=True)
    if rollout.final:
        if not is_drained(context.attempt):  # the autoscalers have not seen the traffic that returns
            context.bundle = driver.at_size(context.rendered, rollout.replicas)
        return Done()
    header = (CANDIDATE_HEADER, rollout.token)
    checked = len(rollout.report.results)
    request = CandidateRequest(rollout.suffix, header, rollout.replicas, checked)
    bundle = await driver.candidate(context.namespace, context.rendered, request)
    if bundle.requests is not None and (excess := bundle.requests.excess(context.size)):
        return Failed(CandidateTooLarge(excess), final=True)
    context.release_bundle, context.bundle = context.rendered, bundle
    return Done()


def is_running(rollout: Rollout | None) -> bool:
    """Whether a candidate may have traffic that a failure must return."""
    return rollout is not None and rollout.report.progress in (Progress.PREPARING, Progress.STEPPING)


def _is_progressive(context: ReconcileContext) -> bool:
    target = context.overrides.target
    return (
        target is not None
        and not target.rollback
        and not context.asleep
        and not context.attempt.rolling
        and context.section_rollout.progressive
        and context.ports.rollouts is not None
    )


def _roll(context: ReconcileContext, stable: StableSide) -> Outcome:
    """A rolling rollout for this attempt: there is no other side, or no label that distinguishes it."""
    context.update_attempt(replace(context.attempt, rolling=True))
    if stable.exists and not stable.tracked:
        context.add_note(PlainRolloutReason.FIRST_WITH_TRACKS)
    return Done()


def _start(context: ReconcileContext, stable: StableSide) -> Rollout:
    target = context.overrides.target
    assert target is not None, "only a target is rolled out"
    identity = f"{context.environment.key} {target.serial} {context.rendered.release.id}"
    policy = context.section_rollout
    return Rollout(
        report=RolloutReport(policy.strategy, policy.steps),
        suffix=f"gr{sha256(identity.encode()).hexdigest()[:8]}",
        token=secrets.token_urlsafe(_TOKEN_BYTES),
        replicas=stable.replicas,
    )
