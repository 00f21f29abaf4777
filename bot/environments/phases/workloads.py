"""Workloads phase: Deployments, Services and all that is neither data, configuration nor route."""

from __future__ import annotations

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Outcome
from bot.environments.phases.hooks import run_post_hooks
from bot.environments.phases.services import see_services, services_lead
from bot.environments.phases.wave import apply, observe
from bot.model.environment import Phase
from bot.model.manifest import Wave


async def workloads(context: ReconcileContext) -> Outcome:
    await apply(context, Wave.WORKLOADS)
    outcome = await observe(context, Phase.WORKLOADS, Wave.WORKLOADS)
    if not isinstance(outcome, Done):
        return outcome
    if context.status.phases[Phase.WORKLOADS].finished_at is None:
        if context.rendered.waves.get(Wave.POST_HOOKS):
            outcome = await services_lead(context, Phase.WORKLOADS, Wave.DATA, Wave.WORKLOADS)
        elif any(check.job for check in context.section.checks):
            # Their grace starts now, not with the check.
            await see_services(context, Wave.DATA, Wave.WORKLOADS)
    return await run_post_hooks(context) if isinstance(outcome, Done) else outcome
