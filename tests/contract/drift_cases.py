"""Seeded drift: changes of an environment outside of Greenroom, and the finding of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import (
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    LIMIT_RANGE,
    NAMESPACE,
    NETWORK_POLICY,
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
from bot.model.drift import DriftKind

Change = Callable[[KubernetesApi, str], Awaitable[object]]

_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Case:
    """A change, and the finding that names it."""

    name: str
    change: Change
    kind: DriftKind
    object: str
    path: str = ""


def _patched(kind: Kind, name: str, patch: Mapping[str, Any], style: str = "merge-patch") -> Change:
    return lambda api, namespace: api.patch(kind, name, dict(patch), namespace, style=style)  # type: ignore[arg-type]


def _containers(name: str, *containers: Mapping[str, Any], group: str = "containers") -> Change:
    """A strategic merge, as `kubectl` sends it."""
    patch = {"spec": {"template": {"spec": {group: [dict(container) for container in containers]}}}}
    return _patched(DEPLOYMENT, name, patch, "strategic-merge-patch")


def _deleted(kind: Kind, name: str) -> Change:
    return lambda api, namespace: api.delete(kind, name, namespace)


def _created(kind: Kind, name: str, **fields: Any) -> Change:
    body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name}, **fields}
    return lambda api, namespace: api.create(kind, body, namespace)


_CHANGED, _REMOVED = DriftKind.CHANGED, DriftKind.REMOVED
_FIELD, _OBJECT = DriftKind.ADDED_FIELD, DriftKind.ADDED_OBJECT
_SHOP = "spec.template.spec.containers[shop]"

CASES = (
    Case(
        "edited field",
        _patched(DEPLOYMENT, "shop", {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}),
        _FIELD,
        "Deployment/shop",
        "spec.template.spec.terminationGracePeriodSeconds",
    ),
    Case(
        "image of a template",
        _containers("shop", {"name": "shop", "image": "ghcr.io/acme/other:1"}),
        _CHANGED,
        "Deployment/shop",
        f"{_SHOP}.image",
    ),
    Case(
        "container",
        _containers("shop", {"name": "debug", "image": "busybox"}),
        _FIELD,
        "Deployment/shop",
        "spec.template.spec.containers[debug]",
    ),
    Case(
        "init container",
        _containers("shop", {"name": "setup", "image": "busybox"}, group="initContainers"),
        _FIELD,
        "Deployment/shop",
        "spec.template.spec.initContainers[setup]",
    ),
    Case(
        "variable",
        _containers("shop", {"name": "shop", "env": [{"name": "DEBUG", "value": "1"}]}),
        _FIELD,
        "Deployment/shop",
        f"{_SHOP}.env[DEBUG]",
    ),
    Case(
        "changed variable",
        _containers("shop", {"name": "shop", "env": [{"name": "MODE", "value": "debug"}]}),
        _CHANGED,
        "Deployment/shop",
        f"{_SHOP}.env[MODE].value",
    ),
    Case(
        "removed variable",
        _containers("shop", {"name": "shop", "env": [{"name": "MODE", "$patch": "delete"}]}),
        _CHANGED,
        "Deployment/shop",
        f"{_SHOP}.env[MODE]",
    ),
    Case(
        "command",
        _containers("shop", {"name": "shop", "command": ["sleep", "1000"]}),
        _FIELD,
        "Deployment/shop",
        f"{_SHOP}.command",
    ),
    Case(
        "volume",
        _patched(
            DEPLOYMENT,
            "shop",
            {"spec": {"template": {"spec": {"volumes": [{"name": "scratch", "emptyDir": {}}]}}}},
            "strategic-merge-patch",
        ),
        _FIELD,
        "Deployment/shop",
        "spec.template.spec.volumes[scratch]",
    ),
    Case(
        "limits",
        _containers("shop", {"name": "shop", "resources": {"requests": {"memory": "96Mi"}}}),
        _CHANGED,
        "Deployment/shop",
        f"{_SHOP}.resources.requests.memory",
    ),
    Case(
        "replicas",
        _patched(DEPLOYMENT, "shop", {"spec": {"replicas": 5}}),
        _CHANGED,
        "Deployment/shop",
        "spec.replicas",
    ),
    Case(
        "label",
        _patched(DEPLOYMENT, "shop", {"metadata": {"labels": {"team": "unknown"}}}),
        _FIELD,
        "Deployment/shop",
        "metadata.labels.team",
    ),
    Case(
        "label of ours",
        _patched(DEPLOYMENT, "shop", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "helm"}}}),
        _CHANGED,
        "Deployment/shop",
        "metadata.labels[app.kubernetes.io/managed-by]",
    ),
    Case(
        "StatefulSet's replicas",
        _patched(STATEFUL_SET, "db", {"spec": {"replicas": 0}}),
        _CHANGED,
        "StatefulSet/db",
        "spec.replicas",
    ),
    Case("removed Deployment", _deleted(DEPLOYMENT, "shop"), _REMOVED, "Deployment/shop"),
    Case("removed Service", _deleted(SERVICE, "shop"), _REMOVED, "Service/shop"),
    Case(
        "Service port",
        _patched(
            SERVICE,
            "shop",
            {"spec": {"ports": [{"port": 80, "targetPort": 9999}]}},
            "strategic-merge-patch",
        ),
        _FIELD,
        "Service/shop",
        "spec.ports[80/TCP].targetPort",
    ),
    Case(
        "Service selector",
        _patched(SERVICE, "shop", {"spec": {"selector": {"app": "other"}}}),
        _CHANGED,
        "Service/shop",
        "spec.selector.app",
    ),
    Case(
        "ConfigMap value",
        _patched(CONFIG_MAP, "settings", {"data": {"A": "2"}}),
        _CHANGED,
        "ConfigMap/settings",
        "data.A",
    ),
    Case(
        "ConfigMap key",
        _patched(CONFIG_MAP, "settings", {"data": {"B": "2"}}),
        _FIELD,
        "ConfigMap/settings",
        "data.B",
    ),
    Case(
        "Secret value",
        _patched(SECRET, "db", {"stringData": {"password": "canary-of-a-secret"}}),
        _CHANGED,
        "Secret/db",
        "data.password",
    ),
    Case(
        "Secret key",
        _patched(SECRET, "db", {"stringData": {"token": "canary-of-a-secret"}}),
        _FIELD,
        "Secret/db",
        "data.token",
    ),
    Case(
        "route",
        _patched(HTTP_ROUTE, "greenroom-route", {"spec": {"hostnames": ["other.preview.test"]}}),
        _CHANGED,
        "HTTPRoute/greenroom-route",
        "spec.hostnames",
    ),
    Case("removed NetworkPolicy", _deleted(NETWORK_POLICY, "greenroom"), _REMOVED, "NetworkPolicy/greenroom"),
    Case(
        "quota",
        _patched(RESOURCE_QUOTA, "greenroom", {"spec": {"hard": {"pods": "99"}}}),
        _CHANGED,
        "ResourceQuota/greenroom",
        "spec.hard.pods",
    ),
    Case("removed limits", _deleted(LIMIT_RANGE, "greenroom"), _REMOVED, "LimitRange/greenroom"),
    Case(
        "pod security",
        lambda api, namespace: api.patch(
            NAMESPACE,
            namespace,
            {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
        ),
        _CHANGED,
        "Namespace/{namespace}",
        "metadata.labels[pod-security.kubernetes.io/enforce]",
    ),
    Case(
        "token of an account",
        _patched(SERVICE_ACCOUNT, "default", {"automountServiceAccountToken": True}),
        _CHANGED,
        "ServiceAccount/default",
        "automountServiceAccountToken",
    ),
    Case(
        "rights",
        _patched(
            ROLE,
            "reader",
            {"rules": [{"apiGroups": [""], "resources": ["configmaps", "pods"], "verbs": ["get"]}]},
        ),
        _CHANGED,
        "Role/reader",
        "rules[0].resources",
    ),
    Case(
        "autoscaler",
        _patched(HORIZONTAL_POD_AUTOSCALER, "shop", {"spec": {"maxReplicas": 30}}),
        _CHANGED,
        "HorizontalPodAutoscaler/shop",
        "spec.maxReplicas",
    ),
    Case(
        "disruption budget",
        _patched(POD_DISRUPTION_BUDGET, "shop", {"spec": {"maxUnavailable": 2}}),
        _CHANGED,
        "PodDisruptionBudget/shop",
        "spec.maxUnavailable",
    ),
    Case(
        "suspended CronJob",
        _patched(CRON_JOB, "nightly", {"spec": {"suspend": True}}),
        _FIELD,
        "CronJob/nightly",
        "spec.suspend",
    ),
    Case(
        "added ConfigMap",
        _created(CONFIG_MAP, "notes", data={"a": "b"}),
        _OBJECT,
        "ConfigMap/notes",
    ),
    Case(
        "added Service",
        _created(SERVICE, "backdoor", spec={"selector": {"app": "shop"}, "ports": [{"port": 22}]}),
        _OBJECT,
        "Service/backdoor",
    ),
    Case(
        "added NetworkPolicy",
        _created(NETWORK_POLICY, "open", spec={"podSelector": {}, "ingress": [{}]}),
        _OBJECT,
        "NetworkPolicy/open",
    ),
    Case(
        "added RoleBinding",
        _created(
            ROLE_BINDING,
            "more",
            roleRef={"apiGroup": _RBAC, "kind": "Role", "name": "reader"},
            subjects=[{"kind": "ServiceAccount", "name": "shop"}],
        ),
        _OBJECT,
        "RoleBinding/more",
    ),
)
