"""Workloads phase: Deployments, Services and all that is neither data, configuration nor route."""

from __future__ import annotations

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Outcome
from bot.environments.phases.hooks import run_post_hooks
from bot.environments.phases.wave import apply, observe
from bot.model.environment import Phase
from bot.model.manifest import Wave


async def workloads(context: ReconcileContext) -> Outcome:
    await apply(context, Wave.WORKLOADS)
    outcome = await observe(context, Phase.WORKLOADS, Wave.WORKLOADS)
    return await run_post_hooks(context) if isinstance(outcome, Done) else outcome
