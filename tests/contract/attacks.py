"""Requests that the bot's account must not be able to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.contract.kubernetes_api import APPLY, JSON_PATCH, MERGE, STRATEGIC

APP_ID = 1
RBAC = "/apis/rbac.authorization.k8s.io/v1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces"
OWNED, KEPT, BOUND = 0, 1, 2
"""Validations of the policy: the namespace is owned, keeps its labels, and bindings are limited."""
LABELS = {
    "app.kubernetes.io/managed-by": "greenroom",
    "greenroom.dev/app": str(APP_ID),
    "greenroom.dev/environment": "preview.1.1",
    "pod-security.kubernetes.io/enforce": "restricted",
}


@dataclass(frozen=True)
class Attack:
    """A request that must be refused. `only` is the validation of the policy that alone refuses it.

    None when RBAC refuses it, or more than one validation.
    """

    name: str
    method: str
    path: str
    body: Any = None
    media: str = "application/json"
    only: int | None = None


def pod(namespace: str) -> Attack:
    container = {"name": "a", "image": "a", "securityContext": {"privileged": True}}
    body = {"metadata": {"name": "a"}, "spec": {"hostPID": True, "containers": [container]}}
    path = f"/api/v1/namespaces/{namespace}/pods"
    return Attack(f"privileged pod in {namespace}", "POST", path, body)


def binding(namespace: str, role: str, only: int | None, subject: dict[str, str] | None = None) -> Attack:
    own = {"kind": "ServiceAccount", "namespace": "greenroom", "name": "greenroom"}
    body = {
        "metadata": {"name": "a"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [subject or own],
    }
    name = f"bind {role} to {subject or 'itself'} in {namespace}"
    return Attack(name, "POST", f"{RBAC}/namespaces/{namespace}/rolebindings", body, only=only)


def applied_binding(namespace: str) -> Attack:
    attack = binding(namespace, "greenroom-environment", OWNED)
    body = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", **attack.body}
    path = f"{attack.path}/a?fieldManager=a&force=true"
    return Attack(f"apply a binding in {namespace}", "PATCH", path, body, APPLY, OWNED)


def relabel(namespace: str, only: int | None, **labels: str | None) -> Attack:
    names = {
        "managed_by": "app.kubernetes.io/managed-by",
        "app": "greenroom.dev/app",
        "environment": "greenroom.dev/environment",
        "enforce": "pod-security.kubernetes.io/enforce",
    }
    body = {"metadata": {"labels": {names[name]: value for name, value in labels.items()}}}
    return Attack(
        f"label {namespace} {labels}", "PATCH", f"/api/v1/namespaces/{namespace}", body, MERGE, only
    )


def create_namespace(only: int | None, **changes: str | None) -> Attack:
    """A Namespace with our labels; one that is changed to None is left out."""
    labels = {name: value for name, value in {**LABELS, **changes}.items() if value is not None}
    body = {"metadata": {"name": "attack", "labels": labels}}
    return Attack(f"create a namespace with {changes}", "POST", "/api/v1/namespaces", body, only=only)


def attacks(own: str, other: str, plain: str, half: str) -> list[Attack]:
    """`own` is ours, `other` another App's, `plain` has no labels, `half` has only the App's id."""
    foreign = ("kube-system", "default", "greenroom", other, plain, half)
    listed: list[Attack] = []
    for namespace in foreign:
        path = f"/api/v1/namespaces/{namespace}"
        metadata = [{"op": "add", "path": "/metadata/labels", "value": LABELS}]
        apply = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": LABELS}}
        listed += [
            pod(namespace),
            Attack(f"read secrets of {namespace}", "GET", f"{path}/secrets"),
            Attack(f"read a secret of {namespace}", "GET", f"{path}/secrets/greenroom-secrets"),
            Attack(f"watch secrets of {namespace}", "GET", f"{path}/secrets?watch=1"),
            Attack(f"create a secret in {namespace}", "POST", f"{path}/secrets", {"metadata": {"name": "a"}}),
            binding(namespace, "greenroom-environment", OWNED),
            applied_binding(namespace),
            relabel(namespace, OWNED, managed_by="greenroom", app=str(APP_ID), enforce="restricted"),
            Attack(f"replace labels of {namespace}", "PATCH", path, metadata, JSON_PATCH, OWNED),
            Attack(
                f"apply labels to {namespace}",
                "PATCH",
                f"{path}?fieldManager=a&force=true",
                apply,
                APPLY,
                OWNED,
            ),
            Attack(
                f"annotate {namespace}", "PATCH", path, {"metadata": {"annotations": {"a": "b"}}}, STRATEGIC
            ),
            Attack(f"finalize {namespace}", "PUT", f"{path}/finalize", {"metadata": {"name": namespace}}),
            Attack(f"exec in {namespace}", "POST", f"{path}/pods/a/exec?command=sh"),
            Attack(f"token of {namespace}", "POST", f"{path}/serviceaccounts/default/token", {}),
        ]
    immortal = ("kube-system", "default")  # Kubernetes never deletes these
    listed += [
        Attack(f"delete {namespace}", "DELETE", f"/api/v1/namespaces/{namespace}", only=OWNED)
        for namespace in foreign
        if namespace not in immortal
    ]
    listed += [
        Attack(
            "lease of another name",
            "POST",
            f"{LEASES}/greenroom/leases",
            {"metadata": {"name": "a"}},
            only=OWNED,
        ),
        Attack(
            "lease in another namespace",
            "POST",
            f"{LEASES}/default/leases",
            {"metadata": {"name": "greenroom-store"}},
        ),
        Attack("delete the lease of the store", "DELETE", f"{LEASES}/greenroom/leases/greenroom-store"),
        Attack("read all secrets", "GET", "/api/v1/secrets"),
        Attack("read all config maps", "GET", "/api/v1/configmaps"),
        create_namespace(None, **{"app.kubernetes.io/managed-by": None}),
        create_namespace(None, **{"app.kubernetes.io/managed-by": "other"}),
        create_namespace(None, **{"greenroom.dev/app": None}),
        create_namespace(None, **{"greenroom.dev/app": "2"}),
        create_namespace(KEPT, **{"pod-security.kubernetes.io/enforce": None}),
        create_namespace(KEPT, **{"pod-security.kubernetes.io/enforce": "privileged"}),
        relabel(own, KEPT, managed_by=None),
        relabel(own, KEPT, managed_by="other"),
        relabel(own, KEPT, app=None),
        relabel(own, KEPT, app="2"),
        relabel(own, KEPT, enforce=None),
        relabel(own, KEPT, enforce="privileged"),
        binding(own, "cluster-admin", None),
        binding(own, "view", None),
        binding(own, "greenroom", BOUND),
        binding(own, "greenroom-environment", BOUND, _subject("ServiceAccount", "default", namespace=own)),
        binding(own, "greenroom-environment", BOUND, _subject("Group", "system:authenticated")),
        binding(own, "greenroom-environment", BOUND, _subject("User", "mallory")),
        Attack("cluster role binding", "POST", f"{RBAC}/clusterrolebindings", {"metadata": {"name": "a"}}),
        Attack("cluster role", "PATCH", f"{RBAC}/clusterroles/greenroom-environment", {"rules": []}, MERGE),
        Attack(
            "role with every right",
            "POST",
            f"{RBAC}/namespaces/{own}/roles",
            {"metadata": {"name": "a"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
        ),
        Attack(
            "role to use the own account's tokens",
            "POST",
            f"{RBAC}/namespaces/{own}/roles",
            {
                "metadata": {"name": "a"},
                "rules": [{"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}],
            },
        ),
        Attack("exec", "POST", f"/api/v1/namespaces/{own}/pods/a/exec?command=sh"),
        Attack("token", "POST", f"/api/v1/namespaces/{own}/serviceaccounts/default/token", {}),
        Attack("proxy of a node", "GET", "/api/v1/nodes/a/proxy/"),
        Attack("nodes", "GET", "/api/v1/nodes"),
        Attack("volume", "POST", "/api/v1/persistentvolumes", {"metadata": {"name": "a"}}),
    ]
    return listed


def _subject(kind: str, name: str, **more: str) -> dict[str, str]:
    group = "" if kind == "ServiceAccount" else "rbac.authorization.k8s.io"
    return {"kind": kind, "apiGroup": group, "name": name, **more}
