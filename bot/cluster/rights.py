"""The rights of the bot in the cluster: few in all namespaces, the rest in the namespaces of environments."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import (
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    GATEWAY,
    GRPC_ROUTE,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    JOB,
    LEASE,
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
    custom_kind,
)
from bot.cluster.guard.roles import grantable
from bot.cluster.names import ENVIRONMENT_ROLE, STORE_LEASE
from bot.settings import CustomKind

CLUSTER_STORES = "clustersecretstores"
_EXTERNAL_SECRETS = "external-secrets.io"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_CONCURRENCY = 8
_APPLY = ("create", "patch")
"""Server-side apply is a patch, which also needs `create` for an object that does not exist yet."""
_WATCHED = (DEPLOYMENT, GRPC_ROUTE, HTTP_ROUTE, JOB, POD, STATEFUL_SET)
_LISTED = (
    CONFIG_MAP,
    CRON_JOB,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD_DISRUPTION_BUDGET,
    ROLE,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
)


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A verb on a resource: the plural, with a subresource after a slash. `name` limits it to one object."""

    group: str
    resource: str
    verb: str
    name: str = ""


def _rights(kinds: Iterable[Kind], verbs: Iterable[str]) -> frozenset[Right]:
    return frozenset(Right(kind.group, kind.plural, verb) for kind in kinds for verb in verbs)


CLUSTER_RIGHTS = (
    _rights((NAMESPACE,), (*_APPLY, "get", "list", "watch", "delete"))
    | _rights(_WATCHED, ("list", "watch"))
    | _rights((GATEWAY,), ("get",))
    | _rights((ROLE_BINDING,), _APPLY)
    | {Right(ROLE.group, "clusterroles", "bind", ENVIRONMENT_ROLE)}
)
"""Rights in all namespaces; an admission policy confines the writes to the namespaces of environments."""

ENVIRONMENT_RIGHTS = (
    _rights((LIMIT_RANGE, RESOURCE_QUOTA), _APPLY)
    | _rights(_WATCHED, (*_APPLY, "delete"))
    | _rights(_LISTED, (*_APPLY, "list", "delete"))
    | _rights((ROLE_BINDING,), ("list", "delete"))
    | _rights((ENDPOINT_SLICE, EVENT), ("list",))
    | {Right("", "pods/log", "get")}
    # Of the Role of Terraform runs, which write their state: Kubernetes lets the bot grant only what it has.
    | _rights((SECRET,), ("update",))
    | {Right(*right) for right in grantable()}
) - CLUSTER_RIGHTS
"""Rights in the namespace of an environment, which the bot gives itself by a RoleBinding."""


STORE_RIGHTS = frozenset(
    {
        Right(LEASE.group, LEASE.plural, "create"),
        Right(LEASE.group, LEASE.plural, "get", STORE_LEASE),
        Right(LEASE.group, LEASE.plural, "update", STORE_LEASE),
    }
)
"""Rights in the bot's own namespace: the Lease that names the active store."""


def custom_rights(kinds: Iterable[CustomKind]) -> frozenset[Right]:
    """Rights in the namespace of an environment for kinds besides those of Kubernetes."""
    return _rights(map(custom_kind, kinds), (*_APPLY, "list", "delete"))


def secret_store_rights(stores: Iterable[str]) -> frozenset[Right]:
    """Rights in all namespaces: to see whether granted ClusterSecretStores are ready."""
    return frozenset(Right(_EXTERNAL_SECRETS, CLUSTER_STORES, "get", name) for name in stores)


async def missing_rights(api: KubernetesApi, rights: Iterable[Right], namespace: str = "") -> Sequence[Right]:
    """The rights that the cluster does not grant in a namespace; without `namespace`, in all of them."""
    limit = asyncio.Semaphore(_CONCURRENCY)

    async def allowed(right: Right) -> bool:
        resource, _, subresource = right.resource.partition("/")
        attributes = {
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "verb": right.verb,
            "name": right.name,
            "namespace": namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        async with limit:
            answer = await api.post(_REVIEWS, review)
        return bool((answer.get("status") or {}).get("allowed"))

    ordered = sorted(rights)
    answers = await asyncio.gather(*(allowed(right) for right in ordered))
    return [right for right, is_allowed in zip(ordered, answers, strict=True) if not is_allowed]
