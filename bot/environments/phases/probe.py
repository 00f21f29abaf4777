"""Probe phase: sets the URLs once the gateway responded from this release several times in a row."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Outcome
from bot.environments.reasons import GatewayMismatch, PlainReason
from bot.environments.side_by_side import first_answer
from bot.model.environment import Phase
from bot.model.manifest import Answer
from bot.model.routing import Address, RouteProtocol

_NEEDED = 2
"""Successes in a row while only pods of this release exist."""
_NEEDED_BESIDE_OLD_PODS = 12
"""While pods of the previous release terminate: a Service's address follows its pods up to a second after
the rollout is complete. Each request can reach another pod, so many successes show that it did."""
_MOST_PER_RUN, _LEAST_PER_RUN = 6, 3
"""Successes that a run beside old pods counts. One success of a slow application counts as the least number:
its runs span more than a second."""
_RUN_LIMIT = timedelta(milliseconds=400)
_ROUTE_PAUSES = (0.1,) * 4
"""Pauses in seconds. A gateway learns of a new route or pod later than the API server, and responds itself
until then."""
_BETWEEN_RUNS = timedelta(milliseconds=400)
_GATEWAY_RESPONSES = (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)
_QUICK, _PATIENT = timedelta(seconds=2), timedelta(seconds=5)
_QUICK_PROBES = 2
"""Probes with the short limit. Later ones are for slow applications: one request, with the long limit."""


async def probe(context: ReconcileContext) -> Outcome:
    """Probes all addresses in each round; a round succeeds when all of them do."""
    addresses = context.rendered.addresses
    if not addresses or context.status.url is not None or context.asleep:
        return Done()
    release = context.rendered.release.id
    old_pods = await context.ports.health.old_pods(context.namespace, release)
    needed = _NEEDED_BESIDE_OLD_PODS if old_pods else _NEEDED
    probed = [address for address in addresses if address.probed]
    began, counted = time.monotonic(), context.attempt.probe_successes
    while context.attempt.probe_successes < needed:
        answers = await asyncio.gather(*(_ask(context, address, release) for address in probed))
        if any(answer.timed_out for answer in answers):
            unanswered = context.attempt.unanswered_probes + 1
            context.update_attempt(replace(context.attempt, unanswered_probes=unanswered))
        for address, answer in zip(probed, answers, strict=True):
            if not _is_good(answer, release, address):
                _count(context, 0)
                route = "" if address is addresses[0] else address.name
                reason = GatewayMismatch(answer.error, answer.status, answer.release_id, route)
                return context.wait(Phase.PROBE, reason, answer.body)
        _count(context, context.attempt.probe_successes + 1)
        if old_pods and _ends_run(context.attempt.probe_successes - counted, began, probed):
            _count(context, max(context.attempt.probe_successes, counted + _LEAST_PER_RUN))
            if context.attempt.probe_successes < needed:
                return context.wait(Phase.PROBE, PlainReason.GATEWAY_CONFIRMING, pause=_BETWEEN_RUNS)
    gateway = context.gateway
    further = {
        address.name: gateway.url(address.host) + address.path.rstrip("/") for address in addresses[1:]
    }
    url = gateway.url(addresses[0].host)
    status = replace(context.status, url=url, addresses=further, live_commit=context.status.commit)
    context.update_status(status)
    return Done()


def _ends_run(successes: int, began: float, probed: Sequence[Address]) -> bool:
    """Whether a run beside old pods has enough successes, or has taken long enough.

    gRPC replies do not name their release, so only the time between runs shows which one they come from.
    """
    if any(address.protocol is RouteProtocol.GRPC for address in probed):
        return True
    return successes >= _MOST_PER_RUN or time.monotonic() - began >= _RUN_LIMIT.total_seconds()


async def _ask(context: ReconcileContext, address: Address, release: str) -> Answer:
    """A pod of the previous release that ended may hold up a request, so several are sent side by side."""
    patient = context.attempt.unanswered_probes >= _QUICK_PROBES
    limit, requests = (_PATIENT, 1) if patient else (_QUICK, 3)
    is_grpc = address.protocol is RouteProtocol.GRPC
    send = context.gateway.call if is_grpc else context.gateway.get

    async def ask() -> Answer:
        return await first_answer(
            lambda: send(address.host, address.path, limit=limit, headers=context.candidate_headers),
            lambda answer: _is_good(answer, release, address),
            requests,
        )

    answer = await ask()
    for pause in _ROUTE_PAUSES:
        if answer.status not in _GATEWAY_RESPONSES or answer.release_id is not None:
            break
        await asyncio.sleep(pause)
        answer = await ask()
    return answer


def _is_good(answer: Answer, release: str, address: Address) -> bool:
    """gRPC replies do not name their release: the pods behind the route were ready before."""
    expected = (None, release) if address.protocol is RouteProtocol.GRPC else (release,)
    return answer.status is not None and answer.status < 500 and answer.release_id in expected


def _count(context: ReconcileContext, successes: int) -> None:
    context.update_attempt(replace(context.attempt, probe_successes=successes))
