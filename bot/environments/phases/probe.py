"""Probe phase: sets the URL once the gateway responded from this release several times in a row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Outcome
from bot.environments.reasons import GatewayMismatch, PlainReason
from bot.model.environment import Phase

_NEEDED = 2
"""Successes in a row while only pods of this release exist."""
_NEEDED_BESIDE_OLD_PODS = 4
"""While pods of the previous release terminate: a Service's address follows its pods up to a second after
the rollout is complete, so the successes must span more than that."""
_BETWEEN_REQUESTS = timedelta(milliseconds=400)


async def probe(context: ReconcileContext) -> Outcome:
    if context.loaded_configuration.route is None or context.status.url is not None or context.asleep:
        return Done()
    release = context.rendered.release.id
    old_pods = await context.ports.health.old_pods(context.namespace, release)
    needed = _NEEDED_BESIDE_OLD_PODS if old_pods else _NEEDED
    while context.attempt.probe_successes < needed:
        answer = await context.gateway.get(context.host, "/")
        if answer.status is None or answer.status >= 500 or answer.release_id != release:
            _count(context, 0)
            reason = GatewayMismatch(answer.error, answer.status, answer.release_id)
            return context.wait(Phase.PROBE, reason, answer.body)
        _count(context, context.attempt.probe_successes + 1)
        if old_pods and context.attempt.probe_successes < needed:
            return context.wait(Phase.PROBE, PlainReason.GATEWAY_CONFIRMING, pause=_BETWEEN_REQUESTS)
    url = context.gateway.url(context.host)
    context.update_status(replace(context.status, url=url, live_commit=context.status.commit))
    return Done()


def _count(context: ReconcileContext, successes: int) -> None:
    context.update_attempt(replace(context.attempt, probe_successes=successes))
