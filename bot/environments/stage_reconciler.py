"""Brings a stage's environment to its target. What the target is, its promotions decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.config.loader import parse_configuration
from bot.environments.context import Policy, ReconcileContext
from bot.environments.desired_state import Absent
from bot.environments.phase_runner import PhaseRunner
from bot.environments.teardown import teardown
from bot.model.environment import Attempt, EndReason, EnvironmentState, Status, StatusMessage
from bot.model.errors import ConfigurationError
from bot.model.outcome import Failed
from bot.model.release import Target

_ABSENT = Absent(EndReason.DONE, StatusMessage("Nothing is wanted there any more."))


class StageReconciler:
    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._run_phases = PhaseRunner()

    async def __call__(self, context: ReconcileContext) -> datetime | None:
        """Runs as far as it can; returns when to run again unless woken before, None when settled."""
        environment = context.environment
        target = environment.overrides.target
        if target is None:
            context.environment = replace(environment, observed_generation=environment.generation)
            return await teardown(context, _ABSENT)
        if environment.observed_generation != environment.generation:
            await _start_attempt(context, target)
        try:
            context.configuration = parse_configuration(target.configuration, self._policy.largest_size)
        except ConfigurationError as error:
            return await self._run_phases.fail(
                context, Failed("The configuration cannot be used.", True, str(error))
            )
        return await self._run_phases(context)


async def _start_attempt(context: ReconcileContext, target: Target) -> None:
    """A new target is a new attempt: nothing that was seen of the one before counts for it."""
    release = target.release
    attempt = Attempt(configuration=target.configuration, images=release.images)
    status = Status(
        EnvironmentState.PENDING,
        commit=release.commit,
        live_commit=context.status.live_commit,
        images={name: image.digest for name, image in release.images.items()},
    )
    generation = context.environment.generation
    context.environment = replace(
        context.environment, observed_generation=generation, attempt=attempt, status=status
    )
    await context.save(("updating", f"release {release.id} of {release.commit[:7]} is wanted"))
