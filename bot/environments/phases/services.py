"""Waits until Services reach their pods, before something that the bot starts depends on them.

Nodes route to a Service's address up to a second after its pods are ready and its EndpointSlice lists them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Outcome
from bot.environments.reasons import ServiceWaiting
from bot.model.environment import Phase
from bot.model.manifest import ServiceState, Wave

GRACE = timedelta(seconds=1)
"""How long after its pods were seen ready a Service may lag, if the bot cannot connect to it."""
_READY_LONG = timedelta(minutes=1)
"""Pods that are ready for longer need no grace; more than the clocks of nodes and bot differ."""
_PAUSE = timedelta(milliseconds=250)


async def wait_for_services(context: ReconcileContext, phase: Phase, *waves: Wave) -> Outcome:
    """Done when each Service in front of the waves' pods has answered, or its grace is over."""
    services = await see_services(context, *waves)
    for service in services:
        if not service.endpoints:
            return context.wait(phase, ServiceWaiting(service.name), pause=_PAUSE)
    now = context.ports.clock()
    graces = [(service, remaining_grace(service, context.attempt.endpoints, now)) for service in services]
    unproven = [(service, grace) for service, grace in graces if grace]
    answers = await asyncio.gather(*(context.ports.services.answers(service) for service, _ in unproven))
    for (service, grace), answered in zip(unproven, answers, strict=True):
        if not answered:
            return context.wait(phase, ServiceWaiting(service.name), pause=min(grace, _PAUSE))
    return Done()


async def see_services(context: ReconcileContext, *waves: Wave) -> Sequence[ServiceState]:
    """Reads the Services of the waves and starts the grace of those whose pods changed."""
    objects = [manifest for wave in waves for manifest in context.rendered.waves.get(wave, ())]
    services = await context.ports.services.services(context.namespace, objects)
    seen = first_seen(context.attempt.endpoints, services, context.ports.clock())
    context.update_attempt(replace(context.attempt, endpoints=seen))
    return services


def first_seen(
    before: Mapping[str, datetime], services: Sequence[ServiceState], now: datetime
) -> Mapping[str, datetime]:
    """When the current pods of each Service were seen first."""
    return {key: before.get(key, now) for service in services if (key := _key(service))}


def remaining_grace(service: ServiceState, seen: Mapping[str, datetime], now: datetime) -> timedelta:
    """How long the Service may still lag behind its pods."""
    if service.ready_at is not None and now - service.ready_at >= _READY_LONG:
        return timedelta()
    return max(seen[_key(service)] + GRACE - now, timedelta())


def _key(service: ServiceState) -> str:
    return f"{service.name} {service.endpoints}" if service.endpoints else ""
