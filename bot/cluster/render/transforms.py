"""What the bot changes in production's manifests so that they run as an environment, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster.guard.node import Node
from bot.cluster.names import (
    CONFIG,
    ENVIRONMENT,
    REFRESH,
    SECRETS,
    TEMPLATE,
    content_name,
    digest,
    own_labels,
)
from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.pod_templates import containers, pod_template, references
from bot.model.image_reference import split_reference
from bot.model.manifest import Manifest, RenderRequest
from bot.model.release import Image

Object = dict[str, Any]

_SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")


def transform(manifests: Sequence[Manifest], request: RenderRequest, policy: ClusterPolicy) -> list[Object]:
    """Guarded manifests as this environment's objects, without the labels and annotations of ownership."""
    objects = [_copy(manifest) for manifest in manifests]
    contents = _contents(objects, request)
    for each in objects:
        _clean(each, request.namespace)
        template = pod_template(each)
        if template is not None:
            _run(template, request, policy)
            if request.refreshes and each["kind"] == "Deployment":
                _mapping(template["metadata"], "annotations")[REFRESH] = str(request.refreshes)
            _mark(template, [each["kind"], each["metadata"]["name"]], contents)
        if each["kind"] == "StatefulSet":
            for claim in each["spec"].get("volumeClaimTemplates") or []:
                # The claims that its controller makes are told by these labels from anybody else's.
                _mapping(_mapping(claim, "metadata"), "labels").update(own_labels(request.environment))
        if each["kind"] == "Job":
            # A Job's pods cannot be changed, so another content is another Job.
            each["metadata"]["name"] = content_name(each["metadata"]["name"], each["spec"])
    return objects


def _contents(objects: Sequence[Object], request: RenderRequest) -> dict[tuple[str, str], object]:
    """Kind and name of each ConfigMap and Secret that pods may read, to what is in it."""
    contents: dict[tuple[str, str], object] = {
        ("ConfigMap", CONFIG): dict(request.config),
        ("Secret", SECRETS): request.secrets,
    }
    for each in objects:
        if each["kind"] in ("ConfigMap", "Secret"):
            data = [each.get(field) for field in ("data", "binaryData", "stringData")]
            contents[each["kind"], each["metadata"]["name"]] = data
    return contents


def _run(template: Object, request: RenderRequest, policy: ClusterPolicy) -> None:
    """Makes a pod template run the release's images, configured for this environment, without privileges."""
    by_repository = {image.repository: image for image in request.images.values()}
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


def _mark(template: Object, identity: object, contents: Mapping[tuple[str, str], object]) -> None:
    """Notes the template's digest, so that pods restart for new configuration and can be told apart."""
    used = [contents.get(reference) for reference in sorted(set(references(Node(template))))]
    annotations = _mapping(template["metadata"], "annotations")
    annotations.pop(TEMPLATE, None)
    annotations[TEMPLATE] = digest([identity, template, used])[:16]


def pin_image(image: str, by_repository: Mapping[str, Image]) -> str:
    """An image of the release by its digest, regardless of the tag; other images unchanged."""
    pinned_image = by_repository.get(split_reference(image)[0])
    return pinned_image.reference if pinned_image else image


def _clean(each: Object, namespace: str) -> None:
    """Takes out what an exported object carries of its old life, and what would hide the end of a Job."""
    each.pop("status", None)
    for field in _SERVER_FIELDS:
        each["metadata"].pop(field, None)
    if each["kind"] == "Job":
        each["spec"].pop("ttlSecondsAfterFinished", None)
    if each["kind"] == "RoleBinding":
        for subject in each.get("subjects") or []:
            subject["namespace"] = namespace


def _confine_pod(spec: Object, policy: ClusterPolicy) -> None:
    security = _mapping(spec, "securityContext")
    security.setdefault("seccompProfile", {"type": "RuntimeDefault"})
    if policy.restricted:
        security.setdefault("runAsNonRoot", True)
    if spec.get("serviceAccountName", "default") == "default":
        # An account of its own has the rights that the manifests give it, and needs its token for them.
        spec.setdefault("automountServiceAccountToken", False)


def _confine_container(container: Object, policy: ClusterPolicy) -> None:
    security = _mapping(container, "securityContext")
    security.setdefault("allowPrivilegeEscalation", False)
    if policy.restricted:
        _mapping(security, "capabilities").setdefault("drop", ["ALL"])


def _mapping(parent: Object, key: str) -> Object:
    """The mapping at `key`, made when it is absent or null."""
    if parent.get(key) is None:
        parent[key] = {}
    found: Object = parent[key]
    return found


def _copy(manifest: Manifest) -> Object:
    """Nothing shared, not even with an alias of the same file."""
    copied: Object = json.loads(json.dumps(manifest))
    return copied
