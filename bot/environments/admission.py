"""A preview's slot on the cluster or its position in the queue, requested before the first cluster write."""

from __future__ import annotations

from dataclasses import replace

from bot.environments import transitions
from bot.environments.context import ReconcileContext
from bot.environments.reasons import PlainReason, Queued
from bot.model.environment import Phase
from bot.model.quota import Admission


async def request_slot(context: ReconcileContext) -> bool:
    """Whether the reconcile may continue; a stage always may, and a preview whose workloads are stopped.

    If not, the store wakes the environment when a slot becomes free.
    """
    before = context.environment.admission
    if before is Admission.ADMITTED or context.asleep or not context.is_preview:
        return True
    position = await context.request_slot()
    admission = Admission.ADMITTED if position is None else Admission.QUEUED
    context.environment = replace(context.environment, admission=admission)
    if position is not None:
        reason = Queued(position, context.environment.repository.full_name, context.pull_request.author)
        message = context.message(reason)
        wait = transitions.waiting if context.attempt.woken else transitions.queued
        context.update_status(replace(wait(context.status, message), phase=None))
        if before is Admission.NONE:
            context.decide("queued", reason)
        await context.report()
        return False
    if before is Admission.QUEUED:
        # The time to live starts now: the time in the queue does not count.
        status = transitions.pending(context.status)
        if Phase.INFRASTRUCTURE in status.phases:
            status = transitions.phase_restarted(status, Phase.INFRASTRUCTURE, context.ports.clock())
        context.update_status(status)
        if not context.attempt.woken:
            context.start_expiry()
        context.decide("admitted", PlainReason.SLOT_ASSIGNED)
        context.mark_report_due()
    return True
