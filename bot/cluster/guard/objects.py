"""Checks of kind and name of an object."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.cluster.client.kinds import GATEWAY_GROUP, GRPC_ROUTE, HTTP_ROUTE, IN_MANIFESTS, INGRESS
from bot.cluster.node import Finding, Node, shortened

_KINDS = {kind.name: kind for kind in IN_MANIFESTS}
_ROUTES = {kind.name: kind for kind in (HTTP_ROUTE, GRPC_ROUTE, INGRESS)}
"""Only requests with `routes: manifests` contain them."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_ROLE_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._:-]{1,253}")
_CLUSTER_SCOPED = frozenset(
    [
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "GatewayClass",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingWebhookConfiguration",
    ]
)


def kind_finding(manifest: Node) -> Finding | None:
    """The reason why the object's kind is refused; None when it is allowed."""
    name = manifest["kind"].text()
    api_version = manifest["apiVersion"].text()
    kind = _KINDS.get(name) or _ROUTES.get(name)
    if kind is not None and api_version == kind.api_version:
        return None
    group = api_version.rpartition("/")[0]
    if kind is not None and ("." not in group or group.endswith(".k8s.io")):
        return manifest["apiVersion"].finding(f"use `{kind.api_version}` for a {name}")
    if name in _CLUSTER_SCOPED:
        return manifest["kind"].finding(
            f"a {name} affects the whole cluster, and an environment contains namespaced objects only; "
            f"remove it, or add `{name}` to `manifests.ignore`"
        )
    if api_version.startswith("kustomize."):
        return manifest["kind"].finding("`manifests.plain` does not run Kustomize; use `manifests.kustomize`")
    if api_version.startswith(f"{GATEWAY_GROUP}/"):
        return manifest["kind"].finding(
            "Gateway API objects are not allowed; Greenroom creates the environment's route"
        )
    allowed = ", ".join(sorted(_KINDS))
    return manifest["kind"].finding(
        f"objects of this kind are not allowed; allowed: {allowed}; leave it out with "
        f"`manifests.ignore: [{shortened(name, 63)}]`{_ways_out(group)}"
    )


def _ways_out(group: str) -> str:
    """What else an object of a CustomResourceDefinition allows."""
    if "." not in group or group.endswith(".k8s.io"):
        return ""
    return ", or ask the operator to allow it with `GREENROOM_ALLOWED_KINDS`"


def name_findings(manifest: Node) -> Iterator[Finding]:
    """Judges the name of an object. Other fields of `metadata` have rules."""
    name_field = manifest["metadata"]["name"]
    name = name_field.text()
    if manifest["kind"].value in ("Role", "RoleBinding"):
        if not _ROLE_NAME.fullmatch(name):
            yield name_field.finding("a name consists of letters, digits, `-`, `_`, `:` and `.`")
    elif not _NAME.fullmatch(name):
        yield name_field.finding("a name consists of lower-case letters, digits, `-` and `.`")
    elif (manifest["kind"].value, name) in (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")):
        yield name_field.finding("Kubernetes creates this object in each namespace; rename yours")
