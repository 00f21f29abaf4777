"""The setting of kinds that the operator allows besides those of Kubernetes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.settings.grants import entries

_ENTRY = re.compile(
    r"(?P<plural>[a-z][a-z0-9]{0,62})\.(?P<group>[a-z0-9-]+(\.[a-z0-9-]+)+)/(?P<version>v[a-z0-9]{1,20})"
    r"=(?P<kind>[A-Z][A-Za-z0-9]{0,62})"
)
_OF_KUBERNETES = "k8s.io"
"""Groups of Kubernetes end with it: rights, admission, the cluster's nodes, classes and definitions."""
RESERVED = frozenset(
    [
        "ConfigMap",
        "CronJob",
        "DaemonSet",
        "Deployment",
        "Endpoints",
        "EndpointSlice",
        "Event",
        "GRPCRoute",
        "Gateway",
        "HTTPRoute",
        "HorizontalPodAutoscaler",
        "Ingress",
        "Job",
        "Lease",
        "LimitRange",
        "List",
        "Namespace",
        "NetworkPolicy",
        "Node",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Pod",
        "PodDisruptionBudget",
        "ReplicaSet",
        "ReplicationController",
        "ResourceQuota",
        "Role",
        "RoleBinding",
        "Secret",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    ]
)
"""Names of kinds that an object of another group must not have: Greenroom decides by them."""


@dataclass(frozen=True, slots=True)
class CustomKind:
    """A namespaced kind of a CustomResourceDefinition in the operator's cluster."""

    plural: str
    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    @property
    def resource(self) -> str:
        """The name of the definition: `clusters.postgresql.cnpg.io`."""
        return f"{self.plural}.{self.group}"


def custom_kinds(text: str) -> tuple[CustomKind, ...]:
    """Parses `clusters.postgresql.cnpg.io/v1=Cluster, kafkas.kafka.strimzi.io/v1beta2=Kafka`."""
    kinds: dict[str, CustomKind] = {}
    for entry in entries(text):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError("expected kinds such as clusters.postgresql.cnpg.io/v1=Cluster")
        kind = CustomKind(**match.groupdict())
        if kind.group == _OF_KUBERNETES or kind.group.endswith(f".{_OF_KUBERNETES}"):
            raise ValueError(f"{kind.group} is a group of Kubernetes, whose kinds cannot be allowed")
        if kind.kind in RESERVED:
            raise ValueError(f"{kind.kind} is the name of a kind of Kubernetes")
        if kind.kind in kinds:
            raise ValueError(f"{kind.kind} appears twice")
        kinds[kind.kind] = kind
    return tuple(kinds.values())
