"""The rights that the bot needs in the cluster, and checks that it has them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import (
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    EVENT,
    GATEWAY,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    JOB,
    LIMIT_RANGE,
    NAMESPACE,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
    RESOURCE_QUOTA,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from bot.cluster.policy import ClusterPolicy

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_CONCURRENCY = 8
_WRITE = ("create", "patch")
_PRUNE = (*_WRITE, "list", "delete")
_FOLLOW = (*_PRUNE, "watch")


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs on a resource; `resource` is the plural, with a subresource after a slash."""

    group: str
    resource: str
    verbs: tuple[str, ...]


def _right(kind: Kind, verbs: tuple[str, ...]) -> Right:
    return Right(kind.group, kind.plural, verbs)


RIGHTS = (
    _right(NAMESPACE, ("get", "list", "watch", "create", "patch", "delete")),
    _right(GATEWAY, ("get",)),
    _right(EVENT, ("list",)),
    Right("", "pods/log", ("get",)),
    *(_right(kind, _WRITE) for kind in (LIMIT_RANGE, RESOURCE_QUOTA)),
    *(_right(kind, _FOLLOW) for kind in (DEPLOYMENT, HTTP_ROUTE, JOB, POD, STATEFUL_SET)),
    *(
        _right(kind, _PRUNE)
        for kind in (
            CONFIG_MAP,
            CRON_JOB,
            HORIZONTAL_POD_AUTOSCALER,
            NETWORK_POLICY,
            PERSISTENT_VOLUME_CLAIM,
            POD_DISRUPTION_BUDGET,
            ROLE,
            ROLE_BINDING,
            SECRET,
            SERVICE,
            SERVICE_ACCOUNT,
        )
    ),
)
"""Required in all namespaces, because environments create their own."""


async def missing_rights(api: KubernetesApi, rights: Sequence[Right] = RIGHTS) -> Sequence[Right]:
    """The rights that the cluster does not grant, each with its missing verbs."""
    limit = asyncio.Semaphore(_CONCURRENCY)

    async def refused(right: Right, verb: str) -> bool:
        resource, _, subresource = right.resource.partition("/")
        attributes = {"group": right.group, "resource": resource, "subresource": subresource, "verb": verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        async with limit:
            answer = await api.post(_REVIEWS, review)
        return not (answer.get("status") or {}).get("allowed")

    pairs = [(right, verb) for right in rights for verb in right.verbs]
    answers = await asyncio.gather(*(refused(right, verb) for right, verb in pairs))
    missing = [pair for pair, is_refused in zip(pairs, answers, strict=True) if is_refused]
    return [
        Right(right.group, right.resource, verbs)
        for right in rights
        if (verbs := tuple(verb for other, verb in missing if other is right))
    ]


async def gateway_problem(api: KubernetesApi, policy: ClusterPolicy) -> str | None:
    """The reason why the operator's Gateway cannot serve routes of environments; None when it can."""
    where = f"{policy.gateway_namespace}/{policy.gateway_name}"
    gateway = await api.find(GATEWAY, policy.gateway_name, policy.gateway_namespace)
    if gateway is None:
        return f"Gateway {where} does not exist. Create it, or set GREENROOM_GATEWAY to an existing one."
    conditions = {
        condition.get("type"): condition
        for condition in (gateway.get("status") or {}).get("conditions") or []
    }
    for kind in ("Accepted", "Programmed"):
        if conditions.get(kind, {}).get("status") != "True":
            message = conditions.get(kind, {}).get("message") or "no controller has accepted it"
            return f"Gateway {where} is not {kind.lower()}: {message}."
    listeners = (gateway.get("spec") or {}).get("listeners") or []
    domains = filter(None, (policy.domain, policy.fork_domain))
    for host in (*(f"*.{domain.host}" for domain in domains), *policy.hosts):
        problems = [problem for listener in listeners if (problem := _listener_problem(listener, host))]
        if len(problems) == len(listeners):
            reasons = "; ".join(problems) or "it has no listeners"
            return f"Gateway {where} has no listener for {host}: {reasons}."
    return None


def _listener_problem(listener: dict[str, Any], host: str) -> str | None:
    name = listener.get("name")
    sources = ((listener.get("allowedRoutes") or {}).get("namespaces") or {}).get("from", "Same")
    if sources == "Same":
        return f"{name} accepts routes of its own namespace only; set allowedRoutes.namespaces.from"
    hostname = listener.get("hostname") or ""
    below = hostname.startswith("*.") and host.endswith(hostname.removeprefix("*"))
    if hostname and hostname != host and not below:
        return f"{name} serves {hostname}, not {host}"
    return None
