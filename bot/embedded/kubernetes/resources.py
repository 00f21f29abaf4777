"""The kinds that this API server serves."""

from dataclasses import dataclass, field
from typing import Final

ALL_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE_ONLY: Final = ("create",)


@dataclass(frozen=True)
class Resource:
    """One kind at one version. `subresources` are served below an object of it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    in_all: bool = False
    custom: bool = field(default=False)
    """Defined by a CRD in a real cluster: items of lists keep their kind, patches are not strategic."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`deployments.apps`, as errors name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        return self.kind.lower()


_S = ("status",)
_SS = ("status", "scale")
_APPS, _BATCH, _NET = "apps", "batch", "networking.k8s.io"
_GATEWAY, _RBAC = "gateway.networking.k8s.io", "rbac.authorization.k8s.io"
_AUTHZ, _AUTHN = "authorization.k8s.io", "authentication.k8s.io"
REVIEWS: Final = frozenset({_AUTHZ, _AUTHN})
"""Groups whose objects are queries about the user, which every user may make."""

RESOURCES: Final[tuple[Resource, ...]] = (
    Resource("", "v1", "namespaces", "Namespace", False, ("ns",), _S),
    Resource("", "v1", "nodes", "Node", False, ("no",), _S),
    Resource("", "v1", "pods", "Pod", True, ("po",), ("status", "log", "binding"), in_all=True),
    Resource("", "v1", "services", "Service", True, ("svc",), _S, in_all=True),
    Resource("", "v1", "configmaps", "ConfigMap", True, ("cm",)),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",), ("token",)),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ("pvc",), _S),
    Resource("", "v1", "events", "Event", True, ("ev",)),
    Resource("", "v1", "resourcequotas", "ResourceQuota", True, ("quota",), _S),
    Resource("", "v1", "limitranges", "LimitRange", True, ("limits",)),
    Resource(_APPS, "v1", "deployments", "Deployment", True, ("deploy",), _SS, in_all=True),
    Resource(_APPS, "v1", "replicasets", "ReplicaSet", True, ("rs",), _SS, in_all=True),
    Resource(_APPS, "v1", "statefulsets", "StatefulSet", True, ("sts",), _SS, in_all=True),
    Resource(_BATCH, "v1", "jobs", "Job", True, (), _S, in_all=True),
    Resource(_BATCH, "v1", "cronjobs", "CronJob", True, ("cj",), _S, in_all=True),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ("hpa",), _S),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, ("pdb",), _S),
    Resource(_NET, "v1", "networkpolicies", "NetworkPolicy", True, ("netpol",)),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource(_RBAC, "v1", "roles", "Role"),
    Resource(_RBAC, "v1", "rolebindings", "RoleBinding"),
    Resource(_RBAC, "v1", "clusterroles", "ClusterRole", False),
    Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False),
    Resource(_GATEWAY, "v1", "gatewayclasses", "GatewayClass", False, ("gc",), _S, custom=True),
    Resource(_GATEWAY, "v1", "gateways", "Gateway", True, ("gtw",), _S, custom=True),
    Resource(_GATEWAY, "v1", "grpcroutes", "GRPCRoute", True, (), _S, custom=True),
    Resource(_GATEWAY, "v1", "httproutes", "HTTPRoute", True, (), _S, custom=True),
    Resource(_AUTHZ, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, verbs=CREATE_ONLY),
    Resource(_AUTHN, "v1", "selfsubjectreviews", "SelfSubjectReview", False, verbs=CREATE_ONLY),
)

_BY_PATH: Final = {(item.group, item.version, item.plural): item for item in RESOURCES}
_BY_KIND: Final = {(item.api_version, item.kind): item for item in RESOURCES}


def by_path(group: str, version: str, plural: str) -> Resource | None:
    return _BY_PATH.get((group, version, plural))


def by_kind(api_version: str, kind: str) -> Resource | None:
    return _BY_KIND.get((api_version, kind))


def resource_of(plural: str, group: str = "") -> Resource:
    """The resource of that plural; KeyError when there is none."""
    for item in RESOURCES:
        if item.plural == plural and item.group == group:
            return item
    raise KeyError(plural)


def groups() -> dict[str, str]:
    """Named API groups with their version, in the order in which they are declared."""
    return {item.group: item.version for item in RESOURCES if item.group}
