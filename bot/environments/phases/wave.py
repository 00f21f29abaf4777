"""Applies the objects of one wave, and judges how they are doing."""

from __future__ import annotations

from collections.abc import Sequence

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Failed, Outcome
from bot.environments.reasons import ObjectFailed, ObjectWaiting
from bot.environments.waiting import REPORT_BLOCKED_AFTER
from bot.model.environment import Phase
from bot.model.manifest import Condition, ObjectState, Wave


async def apply(context: ReconcileContext, wave: Wave) -> None:
    """Applies the wave's objects, once for each content."""
    objects = context.rendered.waves.get(wave, ())
    digest = context.rendered.digests.get(wave, "")
    if objects and context.attempt.applied.get(wave) != digest:
        await context.ports.workloads.apply(
            context.namespace, objects, context.fence, replaces=context.replaces_objects
        )
        context.mark_applied(wave, digest)


async def observe(context: ReconcileContext, phase: Phase, wave: Wave) -> Outcome:
    objects = context.rendered.waves.get(wave, ())
    if not objects:
        return Done()
    return outcome_of(context, phase, await context.ports.health.observe(context.namespace, objects))


def outcome_of(context: ReconcileContext, phase: Phase, states: Sequence[ObjectState]) -> Outcome:
    """Failed if one object failed, waiting while one progresses, done when all are ready."""
    for state in states:
        if state.condition is Condition.FAILED:
            failure = ObjectFailed(state.kind, state.name, state.message)
            return Failed(failure, True, state.detail, state.recovers_at)
    for state in states:
        if state.condition is Condition.PROGRESSING:
            reason = ObjectWaiting(state.kind, state.name, state.message)
            return context.wait(
                phase, reason, state.detail, shortest=REPORT_BLOCKED_AFTER, blocked=state.blocked
            )
    return Done()
