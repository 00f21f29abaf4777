"""What another client changed of a running rollout is restored once; then the rollout pauses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.environments.context import ReconcileContext
from bot.environments.phases.analysis import criteria
from bot.environments.reasons import EnvironmentReason
from bot.environments.rollout_reasons import ObjectsChanged, PlainRolloutReason
from bot.model.manifest import Wave
from bot.model.rollout import Progress, Rollout, RolloutOrders

_COMPARED = "compared"
"""Under this name an attempt records when it compared the candidate's objects."""
_INTERVAL = timedelta(seconds=15)
_NO_ORDERS = RolloutOrders()


async def follow_orders(context: ReconcileContext) -> RolloutOrders:
    """What users requested; a request to resume ends a pause of the rollout's own."""
    orders, current = _NO_ORDERS, context.attempt.rollout
    if context.ports.orders is not None:
        orders = await context.ports.orders.rollout_orders(context.environment.key)
    if current is not None and orders.resumed > current.resumed:
        now = context.ports.clock()
        counts = replace(current.counts, since=now, provider_errors=0) if current.counts else None
        report = replace(current.report, paused="")
        _update(
            context, replace(current, resumed=orders.resumed, report=report, counts=counts, corrected=False)
        )
        await context.report()
    return orders


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
    _update(context, replace(current, corrected=True, report=report))
    context.decide("corrected", first)
    return True


async def pause(context: ReconcileContext, current: Rollout, reason: EnvironmentReason) -> None:
    paused = context.describe(reason).rstrip(".")
    _update(context, replace(current, report=replace(current.report, paused=paused)))
    context.decide("paused", reason)
    await context.report()


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


def _update(context: ReconcileContext, current: Rollout) -> None:
    context.update_attempt(replace(context.attempt, rollout=current))
