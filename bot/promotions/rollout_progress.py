"""How far a stage's environment is with its target. Pure."""

from __future__ import annotations

from bot.model.environment import Environment, EnvironmentState, Phase
from bot.promotions.facts import RolloutProgress, RolloutState


def rollout_progress(environment: Environment | None) -> RolloutProgress:
    """What is known of an older target says nothing of the one that it has now."""
    target = environment.overrides.target if environment is not None else None
    if environment is None or target is None:
        return RolloutProgress(RolloutState.IN_PROGRESS)
    status, serial = environment.status, target.serial
    if environment.observed_generation != environment.generation:
        return RolloutProgress(RolloutState.IN_PROGRESS, serial)
    if status.state is EnvironmentState.FAILED:
        cause = status.cause
        why, detail = (cause.summary, cause.detail) if cause is not None else ("it failed", "")
        return RolloutProgress(
            RolloutState.FAILED, serial, why.rstrip("."), detail, status.checks, status.url
        )
    steady = environment.attempt.unstable_since is None
    if status.state is EnvironmentState.READY and steady:
        return RolloutProgress(RolloutState.VERIFIED, serial, checks=status.checks, url=status.url)
    live = status.phase is Phase.CHECKS or status.state is EnvironmentState.READY
    rollout = RolloutState.LIVE if live else RolloutState.IN_PROGRESS
    waits = status.cause if status.state is EnvironmentState.WAITING else None
    why = waits.summary.rstrip(".") if waits is not None else ""
    return RolloutProgress(rollout, serial, why, checks=status.checks, url=status.url)
