"""Deletes what is left of a candidate when it has had no traffic for some time."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.environments.context import ReconcileContext
from bot.model.environment import Attempt

DRAIN = timedelta(seconds=30)
"""Requests that a gateway has sent to a candidate end within this time."""
_SINCE, _DONE = "drained since", "drained"


def is_draining(attempt: Attempt) -> bool:
    """Whether objects of a candidate without traffic still exist."""
    return _SINCE in attempt.applied and _DONE not in attempt.applied


async def delete_drained(context: ReconcileContext) -> None:
    """Runs when the routes lead to the stable objects only."""
    driver = context.ports.rollouts
    if driver is None or context.is_preview or _DONE in context.attempt.applied:
        return
    objects = await driver.leftovers(context.namespace)
    now = context.ports.clock()
    since = context.attempt.applied.get(_SINCE)
    if objects and since is None:
        context.mark_applied(_SINCE, now.isoformat())
        context.drained_at = now + DRAIN
    elif objects and since is not None and now < datetime.fromisoformat(since) + DRAIN:
        context.drained_at = datetime.fromisoformat(since) + DRAIN
    else:
        await context.ports.workloads.delete(context.namespace, objects, context.fence)
        context.mark_applied(_DONE, now.isoformat())
