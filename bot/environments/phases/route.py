"""Route phase: the route of the release, then deletion of what earlier releases left."""

from __future__ import annotations

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Outcome
from bot.environments.phases.drain import delete_drained
from bot.environments.phases.wave import apply, observe
from bot.model.environment import Phase
from bot.model.manifest import Wave

_PRUNED = "pruned"


async def route(context: ReconcileContext) -> Outcome:
    await apply(context, Wave.ROUTE)
    outcome = await observe(context, Phase.ROUTE, Wave.ROUTE)
    release = context.rendered.release.id
    pruned = context.asleep or context.attempt.applied.get(_PRUNED) == release
    if context.release_bundle is not None:  # the stable revision still uses what the release lacks
        if isinstance(outcome, Done) and context.attempt.rollout is not None:
            await delete_drained(context, context.attempt.rollout.suffix)
        return outcome
    if isinstance(outcome, Done):
        await delete_drained(context)
    if isinstance(outcome, Done) and not pruned:
        await context.ports.workloads.prune(context.namespace, context.rendered, context.fence)
        context.mark_applied(_PRUNED, release)
    return outcome
