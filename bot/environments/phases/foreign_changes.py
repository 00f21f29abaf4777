"""What another client changed of a running rollout is restored once; then the rollout pauses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.environments.context import ReconcileContext
from bot.environments.phases.analysis import criteria
from bot.environments.phases.rollout_orders import follow_orders, pause, update_rollout
from bot.environments.reasons import EnvironmentReason
from bot.environments.rollout_reasons import ObjectsChanged, PlainRolloutReason
from bot.model.manifest import Wave
from bot.model.rollout import Progress

_COMPARED = "compared"
"""Under this name an attempt records when it compared the candidate's objects."""
_INTERVAL = timedelta(seconds=15)


async def restore_objects(context: ReconcileContext) -> None:
    """Applies those of the candidate's objects again that another client changed or deleted.

    Their phases wait for them, so this comes first.
    """
    digest = context.rendered.digests.get(Wave.WORKLOADS, "")
    if context.attempt.applied.get(Wave.WORKLOADS) != digest or not _is_due(context):
        return
    await follow_orders(context)
    driver = context.ports.rollouts
    assert driver is not None, "only a stage with a driver moves progressively"
    context.mark_applied(_COMPARED, context.ports.clock().isoformat())
    if changed := await driver.changed(context.namespace, context.rendered):
        names = tuple(sorted(f"{item['kind']}/{item['metadata']['name']}" for item in changed))
        if await corrects(context, ObjectsChanged(names), ObjectsChanged(names, again=True)):
            await context.ports.workloads.apply(context.namespace, changed, context.fence)
            await context.report()


async def corrects(context: ReconcileContext, first: EnvironmentReason, again: EnvironmentReason) -> bool:
    """Whether a change of another client is corrected, and reported: once, then the rollout pauses."""
    current = context.attempt.rollout
    assert current is not None, "only a rollout is corrected"
    if current.corrected:
        if not current.report.paused:
            await pause(context, current, again)
        return False
    report = replace(current.report, remark=context.describe(first).rstrip("."))
    update_rollout(context, replace(current, corrected=True, report=report))
    context.decide("corrected", first)
    return True


async def corrects_weights(context: ReconcileContext) -> bool:
    return await corrects(
        context, PlainRolloutReason.WEIGHTS_CHANGED, PlainRolloutReason.WEIGHTS_CHANGED_AGAIN
    )


def _is_due(context: ReconcileContext) -> bool:
    """Comparing costs a call for each object, and events wake the environment often."""
    current, last = context.attempt.rollout, context.attempt.applied.get(_COMPARED)
    if current is None or current.report.progress is not Progress.STEPPING:
        return False
    interval = min(criteria(context).interval or _INTERVAL, _INTERVAL)
    return last is None or context.ports.clock() >= datetime.fromisoformat(last) + interval
