"""The kinds that Greenroom uses and their API paths: a table instead of discovery."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from bot.cluster.names import RESOURCE
from bot.model.manifest import Manifest
from bot.settings import CustomKind

GATEWAY_GROUP = "gateway.networking.k8s.io"


@dataclass(frozen=True, slots=True)
class Kind:
    api_version: str
    name: str
    plural: str
    namespaced: bool = True
    optional: bool = False
    """Whether clusters may lack it: lists of it are then empty."""

    @property
    def group(self) -> str:
        """The API group; "" for the core group."""
        group, slash, _ = self.api_version.partition("/")
        return group if slash else ""

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """The path of the collection, of an object, or of an object's subresource."""
        parts = ["apis" if self.group else "api", self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/" + "/".join(parts)


NAMESPACE = Kind("v1", "Namespace", "namespaces", namespaced=False)
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
NODE = Kind("v1", "Node", "nodes", namespaced=False)
PERSISTENT_VOLUME = Kind("v1", "PersistentVolume", "persistentvolumes", namespaced=False)
EVENT = Kind("v1", "Event", "events")
LIMIT_RANGE = Kind("v1", "LimitRange", "limitranges")
PERSISTENT_VOLUME_CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
POD = Kind("v1", "Pod", "pods")
RESOURCE_QUOTA = Kind("v1", "ResourceQuota", "resourcequotas")
SECRET = Kind("v1", "Secret", "secrets")
SERVICE = Kind("v1", "Service", "services")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
DAEMON_SET = Kind("apps/v1", "DaemonSet", "daemonsets")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets")
CRON_JOB = Kind("batch/v1", "CronJob", "cronjobs")
JOB = Kind("batch/v1", "Job", "jobs")
HORIZONTAL_POD_AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
POD_DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
ROLE = Kind("rbac.authorization.k8s.io/v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
GATEWAY_CLASS = Kind(f"{GATEWAY_GROUP}/v1", "GatewayClass", "gatewayclasses", namespaced=False)
GATEWAY = Kind(f"{GATEWAY_GROUP}/v1", "Gateway", "gateways")
HTTP_ROUTE = Kind(f"{GATEWAY_GROUP}/v1", "HTTPRoute", "httproutes")
GRPC_ROUTE = Kind(f"{GATEWAY_GROUP}/v1", "GRPCRoute", "grpcroutes", optional=True)
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")

IN_MANIFESTS = (
    CONFIG_MAP,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    DEPLOYMENT,
    STATEFUL_SET,
    CRON_JOB,
    JOB,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    ROLE,
    ROLE_BINDING,
)
"""Kinds that the manifests of a repository may contain."""

ROUTES = frozenset(
    (
        ("networking.k8s.io", "Ingress"),
        ("extensions", "Ingress"),
        (GATEWAY_GROUP, "HTTPRoute"),
        (GATEWAY_GROUP, "GRPCRoute"),
    )
)
"""Group and kind of routes in manifests, which are replaced, translated or rewritten."""

_BY_NAME = {
    (kind.api_version, kind.name): kind
    for kind in (
        *IN_MANIFESTS,
        NAMESPACE,
        LIMIT_RANGE,
        RESOURCE_QUOTA,
        GATEWAY_CLASS,
        GATEWAY,
        HTTP_ROUTE,
        GRPC_ROUTE,
    )
}


def kind_of(manifest: Manifest) -> Kind:
    """The kind of a rendered object. Raises KeyError for an unknown kind."""
    plural = (manifest["metadata"].get("annotations") or {}).get(RESOURCE)
    if plural is not None:
        return Kind(manifest["apiVersion"], manifest["kind"], plural, optional=True)
    return _BY_NAME[(manifest["apiVersion"], manifest["kind"])]


def custom_kind(kind: CustomKind) -> Kind:
    """A kind that the operator allows."""
    return Kind(kind.api_version, kind.kind, kind.plural, optional=True)
