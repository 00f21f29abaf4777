"""Namespace, quota, limits, network policy and account of an environment, applied before its workloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.cluster.names import (
    APP,
    GENERATION,
    INSTALLATION,
    OWN_NAME,
    own_annotations,
    own_labels,
    pull_secret_name,
)
from bot.cluster.policy import ClusterPolicy
from bot.model.addresses import closed_networks
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Manifest
from bot.model.repository import Repository
from bot.model.size import Size, parse_quantity, smaller
from bot.settings import GatewaySource

DEFAULT_REQUESTS = {"cpu": "50m", "memory": "128Mi"}
"""Requests of containers without any."""
_NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""A label that Kubernetes sets on every namespace."""
_NODE_LOCAL_DNS = "169.254.20.10/32"


def namespace_object(
    name: str,
    environment: EnvironmentKey,
    repository: Repository,
    generation: int,
    policy: ClusterPolicy,
    app_id: int,
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {
                **own_labels(environment),
                APP: str(app_id),
                "pod-security.kubernetes.io/enforce": policy.pod_security.value,
                "pod-security.kubernetes.io/enforce-version": "latest",
            },
            "annotations": {
                **own_annotations(environment, repository),
                INSTALLATION: str(repository.installation_id),
                GENERATION: str(generation),
            },
        },
    }


def guard_rails(
    name: str,
    environment: EnvironmentKey,
    size: Size,
    policy: ClusterPolicy,
    networks: Sequence[str] = (),
    pull_secrets: Sequence[str] = (),
) -> tuple[Manifest, ...]:
    """The objects inside a new namespace, in the order of their application.

    `networks` are private ones that it may reach, `pull_secrets` the operator's Secrets as NAMESPACE/NAME.
    """
    objects = (_quota(size, policy), _limits(size), _network(policy, networks), _account(pull_secrets))
    return tuple(
        {**body, "metadata": {**body["metadata"], "namespace": name, "labels": own_labels(environment)}}
        for body in objects
    )


def _quota(size: Size, policy: ClusterPolicy) -> dict[str, Any]:
    """Quota on resources, and on the number of objects, which fill the cluster's database.

    Kubernetes refuses objects with a quota until it has counted them: see KubernetesNamespaces.prepare.
    """
    hard = {
        "requests.cpu": size.cpu,
        "requests.memory": size.memory,
        "requests.storage": size.storage,
        "requests.ephemeral-storage": _ephemeral_storage(size),
        "pods": size.pods,
        "persistentvolumeclaims": "10",
        "count/configmaps": "200",
        "count/controllerrevisions.apps": "1000",
        "count/jobs.batch": "60",
        "count/leases.coordination.k8s.io": "50",
        "count/pods": "1000",
        "count/replicasets.apps": "1000",
        "count/secrets": "500",
        "count/services": "300",
        **{f"count/{kind.resource}": "50" for kind in policy.allowed_kinds},
        **{f"requests.{resource}": amount for resource, amount in policy.allowed_resources.items()},
    }
    if "ServiceSpec.type" not in policy.allowed_fields:
        hard |= {"services.loadbalancers": "0", "services.nodeports": "0"}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": OWN_NAME},
        "spec": {"hard": hard},
    }


def _limits(size: Size) -> dict[str, Any]:
    """Limits without a default, which would refuse containers that request more; the maximum replaces it."""
    disk = _ephemeral_storage(size)
    container = {
        "type": "Container",
        "defaultRequest": {
            "cpu": smaller(DEFAULT_REQUESTS["cpu"], size.cpu),
            "memory": smaller(DEFAULT_REQUESTS["memory"], size.memory),
            "ephemeral-storage": smaller("128Mi", disk),
        },
        "max": {"cpu": size.cpu, "memory": size.memory, "ephemeral-storage": disk},
    }
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": OWN_NAME},
        "spec": {"limits": [container]},
    }


def _ephemeral_storage(size: Size) -> str:
    """Disk space of nodes for all containers together: 1 GiB for each pod."""
    return f"{max(int(parse_quantity(size.pods)), 1)}Gi"


def _network(policy: ClusterPolicy, networks: Sequence[str]) -> dict[str, Any]:
    """Allows traffic within the environment and with its gateway, DNS, and egress to the public internet.

    `networks`: private ones that it may reach as well.
    """
    inside: dict[str, Any] = {"podSelector": {}}
    gateways = [_source(source) for source in policy.gateway_sources]
    # A network of gateways is a private one, which the environment does not reach for that.
    pods = [gateway for gateway in gateways if "namespaceSelector" in gateway]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": OWN_NAME},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [inside, *gateways]}],
            "egress": [{"to": [inside, *pods]}, *outbound(networks)],
        },
    }


def outbound(networks: Sequence[str]) -> list[dict[str, Any]]:
    """Egress rules for DNS, the public internet, and private networks."""
    dns = {
        "to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": _NODE_LOCAL_DNS}}],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }
    internet = [_public("0.0.0.0/0", version=4), _public("::/0", version=6)]
    return [dns, {"to": [*internet, *({"ipBlock": {"cidr": network}} for network in networks)]}]


def _source(source: GatewaySource) -> dict[str, Any]:
    if source.network:
        return {"ipBlock": {"cidr": source.network}}
    peer: dict[str, Any] = {"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: source.namespace}}}
    return {**peer, "podSelector": {"matchLabels": dict(source.labels)}} if source.labels else peer


def _public(cidr: str, *, version: int) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr, "except": closed_networks(version)}}


def _account(pull_secrets: Sequence[str]) -> dict[str, Any]:
    """The account of pods that name none. Kubernetes creates it; it mounts no token."""
    account: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default"},
        "automountServiceAccountToken": False,
    }
    if pull_secrets:
        account["imagePullSecrets"] = [{"name": pull_secret_name(secret)} for secret in pull_secrets]
    return account
