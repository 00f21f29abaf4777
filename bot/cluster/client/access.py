"""What the bot must be allowed to do in the cluster, and whether it is."""

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
_AT_ONCE = 8
_WRITE = ("create", "patch")
_PRUNE = (*_WRITE, "list", "delete")
_FOLLOW = (*_PRUNE, "watch")


@dataclass(frozen=True, slots=True)
class Right:
    """`resource` is the plural, with a subresource after a slash."""

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
"""In all namespaces, as those of environments come and go."""


async def missing_rights(api: KubernetesApi, rights: Sequence[Right] = RIGHTS) -> Sequence[Right]:
    """Each right with the verbs of it that the cluster does not grant."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def refused(right: Right, verb: str) -> bool:
        resource, _, subresource = right.resource.partition("/")
        asked = {"group": right.group, "resource": resource, "subresource": subresource, "verb": verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        async with limit:
            answer = await api.post(_REVIEWS, review)
        return not (answer.get("status") or {}).get("allowed")

    questions = [(right, verb) for right in rights for verb in right.verbs]
    answers = await asyncio.gather(*(refused(right, verb) for right, verb in questions))
    missing = [question for question, no in zip(questions, answers, strict=True) if no]
    return [
        Right(right.group, right.resource, verbs)
        for right in rights
        if (verbs := tuple(verb for other, verb in missing if other is right))
    ]


async def gateway_problem(api: KubernetesApi, policy: ClusterPolicy) -> str | None:
    """Why the operator's Gateway cannot carry routes of environments; None when it can."""
    where = f"{policy.gateway_namespace}/{policy.gateway_name}"
    gateway = await api.get(GATEWAY, policy.gateway_name, policy.gateway_namespace)
    if gateway is None:
        return f"There is no Gateway {where}. Make one, or set GREENROOM_GATEWAY to the one that is there."
    conditions = {each.get("type"): each for each in (gateway.get("status") or {}).get("conditions") or []}
    for kind in ("Accepted", "Programmed"):
        if conditions.get(kind, {}).get("status") != "True":
            told = conditions.get(kind, {}).get("message") or "no controller has taken it up"
            return f"Gateway {where} is not {kind.lower()}: {told}."
    listeners = (gateway.get("spec") or {}).get("listeners") or []
    domains = filter(None, (policy.domain, policy.fork_domain))
    for wanted in (*(f"*.{domain.host}" for domain in domains), *policy.hosts):
        problems = [problem for each in listeners if (problem := _listener_problem(each, wanted))]
        if len(problems) == len(listeners):
            told = "; ".join(problems) or "it has none"
            whose = wanted if wanted in policy.hosts else "the environments"
            return f"Gateway {where} has no listener for {whose}: {told}."
    return None


def _listener_problem(listener: dict[str, Any], wanted: str) -> str | None:
    name = listener.get("name")
    sources = ((listener.get("allowedRoutes") or {}).get("namespaces") or {}).get("from", "Same")
    if sources == "Same":
        return f"{name} takes routes from its own namespace only (allowedRoutes.namespaces.from)"
    hostname = listener.get("hostname") or ""
    below = hostname.startswith("*.") and wanted.endswith(hostname.removeprefix("*"))
    if hostname and hostname != wanted and not below:
        return f"{name} serves {hostname}, not {wanted}"
    return None
