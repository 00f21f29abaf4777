"""Workloads phase: Deployments, Services and all that is neither data, configuration nor route."""

from __future__ import annotations

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Outcome
from bot.environments.phases.hooks import run_post_hooks
from bot.environments.phases.services import see_services
from bot.environments.phases.wave import apply, observe
from bot.model.environment import Phase
from bot.model.manifest import Wave


async def workloads(context: ReconcileContext) -> Outcome:
    await apply(context, Wave.WORKLOADS)
    outcome = await observe(context, Phase.WORKLOADS, Wave.WORKLOADS)
    is_new = context.status.phases[Phase.WORKLOADS].finished_at is None
    if isinstance(outcome, Done) and is_new and any(check.job for check in context.section.checks):
        await see_services(context, Wave.DATA, Wave.WORKLOADS)  # their grace starts now, not with the check
    return await run_post_hooks(context) if isinstance(outcome, Done) else outcome
