"""API versions and names that Kubernetes no longer serves, or that an environment cannot have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.cluster.manifests import Source
from bot.cluster.render.transforms.base import Context, Object, mapping, name_of, subject, text
from bot.model.notes import Effect, Note

_VERSIONS: Mapping[tuple[str, str], str] = {
    ("apps/v1beta1", "Deployment"): "apps/v1",
    ("apps/v1beta1", "StatefulSet"): "apps/v1",
    ("apps/v1beta2", "DaemonSet"): "apps/v1",
    ("apps/v1beta2", "Deployment"): "apps/v1",
    ("apps/v1beta2", "ReplicaSet"): "apps/v1",
    ("apps/v1beta2", "StatefulSet"): "apps/v1",
    ("autoscaling/v1", "HorizontalPodAutoscaler"): "autoscaling/v2",
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): "autoscaling/v2",
    ("batch/v1beta1", "CronJob"): "batch/v1",
    ("batch/v2alpha1", "CronJob"): "batch/v1",
    ("extensions/v1beta1", "DaemonSet"): "apps/v1",
    ("extensions/v1beta1", "Deployment"): "apps/v1",
    ("extensions/v1beta1", "NetworkPolicy"): "networking.k8s.io/v1",
    ("extensions/v1beta1", "ReplicaSet"): "apps/v1",
    ("policy/v1beta1", "PodDisruptionBudget"): "policy/v1",
    ("rbac.authorization.k8s.io/v1beta1", "Role"): "rbac.authorization.k8s.io/v1",
    ("rbac.authorization.k8s.io/v1beta1", "RoleBinding"): "rbac.authorization.k8s.io/v1",
}
"""Versions whose fields are those of the newer one, except for the fields that are translated below."""
_WORKLOADS = ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")
_REMOVED = "rollbackTo"
"""A request to roll back, which `apps/v1` does not have."""
_CPU = "targetCPUUtilizationPercentage"
_OLDER = "it has the same meaning in this API version"
_SELECTOR = "older API versions take it from the labels of the template"
_FIXED = "each object requires a fixed name, by which the next commit finds it"


def update_versions(sources: Sequence[Source], _: Context) -> tuple[list[Source], list[Note]]:
    """Translates older API versions of the same kinds, such as `autoscaling/v1`."""
    notes = []
    for source in sources:
        manifest = source.manifest
        version = _VERSIONS.get((manifest["apiVersion"], manifest["kind"]))
        if version is not None:
            _translate_target(mapping(manifest, "spec"))
            manifest["apiVersion"] = version
            notes.append(Note(Effect.REWRITTEN, subject(source), _OLDER, "apiVersion", version))
            if manifest["kind"] in _WORKLOADS:
                notes += _with_selector(source)
        _translate_scaled(manifest)
    return list(sources), notes


def _translate_scaled(manifest: Object) -> None:
    """The reference of an autoscaler to a workload whose version changes."""
    target = mapping(manifest, "spec", "scaleTargetRef")
    version = _VERSIONS.get((text(target.get("apiVersion")), text(target.get("kind"))))
    if version is not None and manifest["kind"] == "HorizontalPodAutoscaler":
        target["apiVersion"] = version


def _with_selector(source: Source) -> list[Note]:
    """Adds the selector that the older versions took from the template, and `apps/v1` requires."""
    spec = mapping(source.manifest, "spec")
    spec.pop(_REMOVED, None)
    labels = mapping(spec, "template", "metadata", "labels")
    if mapping(spec, "selector") or not labels:
        return []
    spec["selector"] = {"matchLabels": dict(labels)}
    return [Note(Effect.GENERATED, subject(source), _SELECTOR, "spec.selector")]


def _translate_target(spec: dict[str, object]) -> None:
    if _CPU in spec and "metrics" not in spec:
        target = {"type": "Utilization", "averageUtilization": spec.pop(_CPU)}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def name_objects(sources: Sequence[Source], _: Context) -> tuple[list[Source], list[Note]]:
    """Gives objects with `generateName` a fixed name: its prefix, with a number if several have the same."""
    taken = {(source.manifest["kind"], name_of(source)) for source in sources}
    notes = []
    for source in sources:
        metadata, kind = mapping(source.manifest, "metadata"), source.manifest["kind"]
        prefix = metadata.get("generateName")
        if name_of(source) or not isinstance(prefix, str) or not prefix.rstrip("-."):
            continue
        name, number = prefix.rstrip("-."), 1
        while (kind, name) in taken:
            number += 1
            name = f"{prefix.rstrip('-.')}-{number}"
        taken.add((kind, name))
        del metadata["generateName"]
        metadata["name"] = name
        notes.append(Note(Effect.GENERATED, f"{kind}/{name}", _FIXED, "metadata.name", name))
    return list(sources), notes
