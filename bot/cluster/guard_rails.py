"""What stands around an environment before anything of it runs."""

from __future__ import annotations

from typing import Any

from bot.cluster.names import GENERATION, INSTALLATION, OWN_NAME
from bot.cluster.ownership import own_annotations, own_labels
from bot.cluster.policy import ClusterPolicy
from bot.model.addresses import NON_PUBLIC
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Manifest
from bot.model.repository import Repository
from bot.model.size import Size, smaller

_NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""A label that Kubernetes itself keeps on every namespace."""
_NODE_LOCAL_DNS = "169.254.20.10/32"


def namespace_object(
    name: str, environment: EnvironmentKey, repository: Repository, generation: int, policy: ClusterPolicy
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {
                **own_labels(environment),
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
    name: str, environment: EnvironmentKey, size: Size, policy: ClusterPolicy
) -> tuple[Manifest, ...]:
    """The objects in a new namespace, in the order in which they are applied."""
    bare = (_quota(size), _limits(size), _network(policy), _account())
    return tuple(
        {**each, "metadata": {**each["metadata"], "namespace": name, "labels": own_labels(environment)}}
        for each in bare
    )


def _quota(size: Size) -> dict[str, Any]:
    """Only of what is made when the quota has long been counted: Kubernetes refuses the rest until then."""
    hard = {
        "requests.cpu": size.cpu,
        "requests.memory": size.memory,
        "requests.storage": size.storage,
        "pods": size.pods,
        "persistentvolumeclaims": "10",
        "count/jobs.batch": "60",
    }
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": OWN_NAME},
        "spec": {"hard": hard},
    }


def _limits(size: Size) -> dict[str, Any]:
    """No default limit: it would refuse containers that request more. The maximum stands in for it."""
    container = {
        "type": "Container",
        "defaultRequest": {"cpu": smaller("50m", size.cpu), "memory": smaller("128Mi", size.memory)},
        "max": {"cpu": size.cpu, "memory": size.memory},
    }
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": OWN_NAME},
        "spec": {"limits": [container]},
    }


def _network(policy: ClusterPolicy) -> dict[str, Any]:
    """Nothing but: the environment itself, its gateway, DNS, and the public internet outwards."""
    inside: dict[str, Any] = {"podSelector": {}}
    gateway = {"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: policy.gateway_namespace}}}
    dns = {
        "to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": _NODE_LOCAL_DNS}}],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }
    internet = [_public("0.0.0.0/0", version=4), _public("::/0", version=6)]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": OWN_NAME},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [inside, gateway]}],
            "egress": [{"to": [inside, gateway]}, dns, {"to": internet}],
        },
    }


def _public(cidr: str, *, version: int) -> dict[str, Any]:
    excepted = [str(network) for network in NON_PUBLIC if network.version == version]
    return {"ipBlock": {"cidr": cidr, "except": excepted}}


def _account() -> dict[str, Any]:
    """The account of pods that name none. Kubernetes makes it; ours is the word that its token stays away."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default"},
        "automountServiceAccountToken": False,
    }
