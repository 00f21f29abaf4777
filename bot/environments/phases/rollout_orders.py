"""What users requested of a running rollout, and its pauses."""

from __future__ import annotations

from dataclasses import replace

from bot.environments.context import ReconcileContext
from bot.environments.reasons import EnvironmentReason
from bot.model.rollout import Rollout, RolloutOrders

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
        update_rollout(
            context, replace(current, resumed=orders.resumed, report=report, counts=counts, corrected=False)
        )
        await context.report()
    return orders


async def pause(context: ReconcileContext, current: Rollout, reason: EnvironmentReason) -> None:
    paused = context.describe(reason).rstrip(".")
    update_rollout(context, replace(current, report=replace(current.report, paused=paused)))
    context.decide("paused", reason)
    await context.report()


def update_rollout(context: ReconcileContext, current: Rollout) -> Rollout:
    context.update_attempt(replace(context.attempt, rollout=current))
    return current
