"""Deletes what is left of a candidate when it has had no requests for some time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bot.environments.context import ReconcileContext
from bot.environments.phases.analysis import metrics_of
from bot.model.environment import Attempt
from bot.model.errors import Unavailable
from bot.model.manifest import Manifest
from bot.model.rollout import Backend

DRAIN = timedelta(seconds=30)
"""Time without a request after which a candidate is deleted; without traffic if nothing counts requests."""
_LONGEST = timedelta(minutes=10)
"""A client that keeps a connection to the candidate does not keep it longer."""
_STARTED, _SINCE, _REQUESTS, _DONE = "drains since", "drained since", "requests while draining", "drained"


def is_draining(attempt: Attempt) -> bool:
    """Whether objects of a candidate without traffic still exist."""
    return _SINCE in attempt.applied and _DONE not in attempt.applied


def is_drained(attempt: Attempt) -> bool:
    """Whether no object of a candidate is left."""
    return _DONE in attempt.applied


async def delete_drained(context: ReconcileContext, suffix: str = "") -> None:
    """Deletes candidates other than the one with this suffix, to which the routes no longer send requests."""
    driver = context.ports.rollouts
    if driver is None or context.is_preview or _DONE in context.attempt.applied:
        return
    objects = await driver.leftovers(context.namespace, suffix)
    now = context.ports.clock()
    if not objects:
        _finish(context, now)
        return
    started = _time(context, _STARTED) or now
    before = json.loads(context.attempt.applied.get(_REQUESTS, "{}"))
    requests = await _requests(context, objects, before)
    since = _time(context, _SINCE)
    if since is None or (requested(before, requests) and now < started + _LONGEST):
        context.mark_applied(_STARTED, started.isoformat())
        context.mark_applied(_SINCE, now.isoformat())
        context.mark_applied(_REQUESTS, json.dumps(requests))
        context.late.look_again(now + DRAIN)
    elif now < since + DRAIN:
        context.late.look_again(since + DRAIN)
    else:
        await context.ports.workloads.delete(context.namespace, objects, context.fence)
        _finish(context, now)


def _finish(context: ReconcileContext, now: datetime) -> None:
    context.mark_applied(_DONE, now.isoformat())
    rollout = context.attempt.rollout
    if rollout is not None and rollout.final:
        context.late.look_again(now)  # the bounds of autoscalers are those of the release again


def requested(before: Mapping[str, int], now: Mapping[str, int]) -> bool:
    """Whether a counter shows a request; a gateway deletes those of Services without a route."""
    return any(count and count != before.get(source) for source, count in now.items())


async def _requests(
    context: ReconcileContext, objects: Sequence[Manifest], before: Mapping[str, int]
) -> Mapping[str, int]:
    """How many requests the candidate has had by source; as before where no provider answers."""
    metrics = metrics_of(context)
    if metrics is None:
        return before
    backends = [
        Backend(item["metadata"]["name"], int(port["port"]))
        for item in objects
        if item["kind"] == "Service"
        for port in item["spec"].get("ports") or ()
    ]
    try:
        counts = await metrics.read(context.namespace, backends)
    except Unavailable:
        return before
    return {source: counted.requests for source, counted in counts.items()}


def _time(context: ReconcileContext, name: str) -> datetime | None:
    text = context.attempt.applied.get(name)
    return datetime.fromisoformat(text) if text is not None else None
