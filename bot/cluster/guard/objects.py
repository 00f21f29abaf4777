"""Kind, name, namespace and labels of an object: what is the environment's own, and not the bot's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.cluster.client.kinds import GATEWAY_GROUP, IN_MANIFESTS
from bot.cluster.guard.node import Finding, Node
from bot.cluster.names import MANAGED_BY, MANAGER, PREFIX, is_reserved_name

_KINDS = {kind.name: kind for kind in IN_MANIFESTS}
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
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
    """Why an object of this kind is refused; None when it may be there."""
    name = manifest["kind"].text()
    api_version = manifest["apiVersion"].text()
    known = _KINDS.get(name)
    if known is not None and api_version == known.api_version:
        return None
    if known is not None and api_version.rpartition("/")[0] == known.group:
        return manifest["apiVersion"].finding(f"use {known.api_version} for a {name}")
    if name in _CLUSTER_SCOPED:
        return manifest["kind"].finding(f"a {name} belongs to the whole cluster, not to one environment")
    if api_version.startswith("kustomize."):
        return manifest["kind"].finding("plain manifests are read as they are; this is for Kustomize")
    if api_version.startswith(f"{GATEWAY_GROUP}/"):
        return manifest["kind"].finding("the environment's own route is the only one")
    allowed = ", ".join(sorted(_KINDS))
    return manifest["kind"].finding(f"objects of this kind are not allowed; allowed are {allowed}")


def metadata_findings(manifest: Node, namespace: str) -> Iterator[Finding]:
    metadata = manifest["metadata"]
    name = metadata["name"].text()
    if not _NAME.fullmatch(name):
        yield metadata["name"].finding("every object needs a name of lower-case letters, digits, `-` and `.`")
    elif is_reserved_name(name):
        yield metadata["name"].finding("names that begin with `greenroom` are the bot's own")
    elif (manifest["kind"].value, name) in (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")):
        yield metadata["name"].finding("this object belongs to the namespace; choose a name of your own")
    if metadata["namespace"].text() not in ("", namespace):
        yield metadata["namespace"].finding("the environment has its own namespace; leave this field out")
    for field in ("finalizers", "ownerReferences"):
        if metadata[field].value not in (None, []):
            yield metadata[field].finding("it could keep the environment from being deleted; leave it out")
    yield from reserved_findings(metadata)


def reserved_findings(metadata: Node) -> Iterator[Finding]:
    """Labels and annotations of an object or a pod template that only the bot sets."""
    for field in ("labels", "annotations"):
        for key, value in metadata[field].pairs():
            if key.startswith(PREFIX):
                yield value.finding(f"labels and annotations below `{PREFIX}` are the bot's own")
            elif field == "labels" and (key, value.value) == (MANAGED_BY, MANAGER):
                yield value.finding("only the bot says that an object is its own")
