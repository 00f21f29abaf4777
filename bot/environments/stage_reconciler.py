"""Brings a stage's environment to its target, which its promotions decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.config.loader import parse_configuration
from bot.environments.context import ReconcileContext
from bot.environments.desired_state import Absent
from bot.environments.outcome import Failed
from bot.environments.phase_runner import PhaseRunner
from bot.environments.phases.candidate import is_running
from bot.environments.phases.rollout import driver_of, look_due, watch
from bot.environments.policy import Policy
from bot.environments.reasons import PlainReason, ReleaseTargeted
from bot.environments.teardown import teardown
from bot.model.environment import Attempt, EndReason, EnvironmentState, Status
from bot.model.errors import ConfigurationError, Rejected, Unavailable
from bot.model.release import Target

log = structlog.get_logger()

_RETRY_WITHDRAWAL = timedelta(seconds=1)
_ABSENT = Absent(EndReason.DONE, PlainReason.NO_TARGET)


class StageReconciler:
    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._run_phases = PhaseRunner()

    async def __call__(self, context: ReconcileContext) -> datetime | None:
        environment, target = context.environment, context.overrides.target
        if target is None:
            context.environment = replace(environment, observed_generation=environment.generation)
            return await teardown(context, _ABSENT)
        if environment.observed_generation != environment.generation:
            if is_running(environment.attempt.rollout):
                try:
                    await driver_of(context).withdraw(context.namespace, context.fence)
                except Unavailable as error:
                    return error.retry_at or context.ports.clock() + _RETRY_WITHDRAWAL
                except Rejected as error:  # the route phase of the new target reports it
                    log.warning("a route did not return its traffic", error=str(error))
            _start_attempt(context, target)
        try:
            context.configuration = parse_configuration(target.configuration, self._policy.largest_size)
        except ConfigurationError as error:
            failed = Failed(PlainReason.RELEASE_CONFIGURATION_INVALID, True, str(error))
            return await self._run_phases.fail(context, failed)
        again = await self._run_phases(context)
        if context.status.state is not EnvironmentState.FAILED and look_due(context) is not None:
            return await self._watch(context, again)
        return again

    async def _watch(self, context: ReconcileContext, again: datetime | None) -> datetime | None:
        """A candidate whose pods crash must not keep its traffic while they are waited for."""
        try:
            failed = await watch(context)
        except Unavailable as error:
            return error.retry_at or context.ports.clock() + _RETRY_WITHDRAWAL
        if failed is not None:
            return await self._run_phases.fail(context, failed)
        due = look_due(context)
        return min((time for time in (again, due) if time is not None), default=None)


def _start_attempt(context: ReconcileContext, target: Target) -> None:
    """A new target is a new attempt: results of the previous one do not count."""
    release = target.release
    status = Status(
        EnvironmentState.PENDING,
        commit=release.commit,
        live_commit=context.status.live_commit,
        images={name: image.digest for name, image in release.images.items()},
    )
    context.environment = replace(
        context.environment,
        observed_generation=context.environment.generation,
        attempt=Attempt(configuration=target.configuration, images=release.images),
        status=status,
    )
    context.decide("updating", ReleaseTargeted(release.id, release.commit))
