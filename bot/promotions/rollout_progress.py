"""Progress of a stage's environment towards its target. Pure."""

from __future__ import annotations

from dataclasses import replace

from bot.model.environment import RUNNING, CheckState, Environment, EnvironmentState, Phase
from bot.model.reason import Reported
from bot.promotions.facts import RolloutProgress, RolloutState
from bot.promotions.reasons import RolloutFailed


def rollout_progress(environment: Environment | None) -> RolloutProgress:
    """A status that is about an earlier generation counts as in progress."""
    progress = _progress(environment)
    if environment is None or environment.observed_generation != environment.generation:
        return progress
    progress, rollout = replace(progress, secrets=environment.status.secrets), environment.attempt.rollout
    if rollout is None:
        return progress
    if rollout.final or progress.state is RolloutState.FAILED:
        return replace(progress, rollout=rollout.report)
    # What responds and is checked is the candidate, before it has all traffic.
    checks = tuple(check for check in progress.checks if check.state is CheckState.PASSED)
    return replace(progress, state=RolloutState.IN_PROGRESS, rollout=rollout.report, checks=checks, url=None)


def _progress(environment: Environment | None) -> RolloutProgress:
    target = environment.overrides.target if environment is not None else None
    if environment is None or target is None:
        return RolloutProgress(RolloutState.IN_PROGRESS)
    status, serial = environment.status, target.serial
    if environment.observed_generation != environment.generation:
        return RolloutProgress(RolloutState.IN_PROGRESS, serial)
    if status.state is EnvironmentState.FAILED:
        cause = status.cause
        reason = Reported(cause.summary.rstrip(".")) if cause is not None else RolloutFailed()
        detail = cause.detail if cause is not None else ""
        return RolloutProgress(RolloutState.FAILED, serial, reason, detail, status.checks, status.url)
    steady = environment.attempt.unstable_since is None
    if status.state is EnvironmentState.READY and steady:
        return RolloutProgress(RolloutState.VERIFIED, serial, checks=status.checks, url=status.url)
    live = status.phase is Phase.CHECKS or status.state in RUNNING
    rollout = RolloutState.LIVE if live else RolloutState.IN_PROGRESS
    cause = status.cause if status.state is EnvironmentState.WAITING else None
    waiting_for = Reported(cause.summary.rstrip(".")) if cause is not None else None
    plan = environment.attempt.plan if waiting_for is not None else None
    return RolloutProgress(rollout, serial, waiting_for, checks=status.checks, url=status.url, plan=plan)
