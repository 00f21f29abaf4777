"""The changes that turn production manifests into the objects of an environment. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster.names import (
    CONFIG,
    ENVIRONMENT,
    REFRESH,
    SECRETS,
    TEMPLATE,
    content_name,
    digest,
    object_name,
    own_labels,
)
from bot.cluster.node import Node
from bot.cluster.pod_templates import containers, pod_template, references
from bot.cluster.policy import ClusterPolicy
from bot.model.errors import ManifestRefused
from bot.model.image_reference import repository_key
from bot.model.manifest import Manifest, RenderRequest
from bot.model.release import Image

Object = dict[str, Any]

_ACCOUNT_KINDS = frozenset(("ServiceAccount", "Role", "RoleBinding"))
_SCALED_KINDS = frozenset(("Deployment", "StatefulSet"))
_UNSTOPPABLE_KINDS = frozenset(("Job", "Pod"))
"""Kinds that cannot be stopped and started: existing objects stay, and new ones are not applied."""


def transform(manifests: Sequence[Manifest], request: RenderRequest, policy: ClusterPolicy) -> list[Object]:
    """The environment's objects for guarded manifests, without labels and annotations of ownership."""
    objects = [_copy(manifest) for manifest in manifests]
    contents = _contents(objects, request)
    for manifest in objects:
        for subject in manifest.get("subjects") or []:
            subject["namespace"] = request.namespace
        template = pod_template(manifest)
        if template is not None:
            _configure_pods(template, request, policy)
            if request.refreshes and manifest["kind"] == "Deployment":
                _mapping(template["metadata"], "annotations")[REFRESH] = str(request.refreshes)
            _annotate_digest(template, [manifest["kind"], manifest["metadata"]["name"]], contents)
        if manifest["kind"] == "StatefulSet":
            for claim in manifest["spec"].get("volumeClaimTemplates") or []:
                # The controller copies these labels to the claims, so that a reset finds them.
                _mapping(_mapping(claim, "metadata"), "labels").update(own_labels(request.environment))
        if manifest["kind"] == "Job":
            # The pods of a Job are immutable, so a changed Job needs another name.
            manifest["metadata"]["name"] = content_name(manifest["metadata"]["name"], manifest["spec"])
    return objects


def account_names(objects: Sequence[Object]) -> tuple[str, ...]:
    """The names of the objects that remove_accounts removes."""
    return tuple(object_name(manifest) for manifest in objects if manifest["kind"] in _ACCOUNT_KINDS)


def remove_accounts(objects: Sequence[Object]) -> list[Object]:
    """Removes accounts and their rights for a fork, and disables tokens in all pods (changes `objects`).

    A cloud may identify an account by its name or annotations, so accounts of the manifests are unsafe, too.
    Raises ManifestRefused for a pod that mounts a token.
    """
    kept = [manifest for manifest in objects if manifest["kind"] not in _ACCOUNT_KINDS]
    for manifest in kept:
        template = pod_template(manifest)
        if template is not None:
            _remove_account(manifest, template["spec"])
    return kept


def _remove_account(manifest: Object, spec: Object) -> None:
    for volume in spec.get("volumes") or []:
        sources = (volume.get("projected") or {}).get("sources") or []
        if any(source.get("serviceAccountToken") for source in sources):
            raise ManifestRefused(
                f"{object_name(manifest)}: volume {volume.get('name')} mounts a token of a ServiceAccount, "
                "which is not allowed for a fork."
            )
    for field in ("serviceAccountName", "serviceAccount"):
        spec.pop(field, None)
    spec["automountServiceAccountToken"] = False


def hibernated(objects: Sequence[Manifest]) -> list[Manifest]:
    """The objects of a sleeping environment: everything exists and nothing runs."""
    return [_stopped(manifest) for manifest in objects if manifest["kind"] not in _UNSTOPPABLE_KINDS]


def _stopped(manifest: Manifest) -> Manifest:
    if manifest["kind"] in _SCALED_KINDS:
        return {**manifest, "spec": {**manifest["spec"], "replicas": 0}}
    if manifest["kind"] == "CronJob":
        return {**manifest, "spec": {**manifest["spec"], "suspend": True}}
    return manifest


def _contents(objects: Sequence[Object], request: RenderRequest) -> dict[tuple[str, str], object]:
    """The contents of ConfigMaps and Secrets that pods may read, by kind and name."""
    contents: dict[tuple[str, str], object] = {
        ("ConfigMap", CONFIG): dict(request.config),
        ("Secret", SECRETS): request.secrets,
    }
    for manifest in objects:
        if manifest["kind"] in ("ConfigMap", "Secret"):
            data = [manifest.get(field) for field in ("data", "binaryData", "stringData")]
            contents[manifest["kind"], manifest["metadata"]["name"]] = data
    return contents


def _configure_pods(template: Object, request: RenderRequest, policy: ClusterPolicy) -> None:
    """Sets images, configuration and security context of a pod template."""
    by_repository = images_by_repository(request.images)
    for container in containers(template):
        container["image"] = pin_image(container["image"], by_repository)
        injected = [{"configMapRef": {"name": CONFIG}}] if request.config else []
        if request.secrets:
            injected.append({"secretRef": {"name": SECRETS}})
        if injected:
            container["envFrom"] = [*(container.get("envFrom") or []), *injected]
        _confine_container(container, policy)
    _confine_pod(template["spec"], policy)
    metadata = _mapping(template, "metadata")
    _mapping(metadata, "labels")[ENVIRONMENT] = request.environment.label


def _annotate_digest(template: Object, identity: object, contents: Mapping[tuple[str, str], object]) -> None:
    """Annotates the digest of template and configuration: a change restarts pods and identifies them."""
    used_contents = [contents.get(reference) for reference in sorted(set(references(Node(template))))]
    annotations = _mapping(template["metadata"], "annotations")
    annotations.pop(TEMPLATE, None)
    annotations[TEMPLATE] = digest([identity, template, used_contents])[:16]


def images_by_repository(images: Mapping[str, Image]) -> dict[str, Image]:
    """The images of a release by registry and path."""
    return {repository_key(image.repository): image for image in images.values()}


def pin_image(image: str, by_repository: Mapping[str, Image]) -> str:
    """An image of the release by its digest, regardless of the tag; other images unchanged."""
    pinned_image = by_repository.get(repository_key(image))
    return pinned_image.reference if pinned_image else image


def _confine_pod(spec: Object, policy: ClusterPolicy) -> None:
    security = _mapping(spec, "securityContext")
    security.setdefault("seccompProfile", {"type": "RuntimeDefault"})
    if policy.restricted:
        security.setdefault("runAsNonRoot", True)
    if spec.get("serviceAccountName", "default") == "default":
        # Another account has rights from the manifests and needs its token to use them.
        spec.setdefault("automountServiceAccountToken", False)


def _confine_container(container: Object, policy: ClusterPolicy) -> None:
    security = _mapping(container, "securityContext")
    security.setdefault("allowPrivilegeEscalation", False)
    if policy.restricted:
        _mapping(security, "capabilities").setdefault("drop", ["ALL"])


def _mapping(parent: Object, key: str) -> Object:
    """The mapping at `key`, created when it is absent or null."""
    if parent.get(key) is None:
        parent[key] = {}
    mapping: Object = parent[key]
    return mapping


def _copy(manifest: Manifest) -> Object:
    """A deep copy without values shared by YAML aliases."""
    copy: Object = json.loads(json.dumps(manifest))
    return copy
