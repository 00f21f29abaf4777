"""The track label, which distinguishes the pods of both revisions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.cluster.names import TEMPLATE, TRACK, digest, object_name
from bot.cluster.pod_templates import claims, pod_template
from bot.cluster.routing.services import is_selected, selects
from bot.model.errors import ManifestRefused
from bot.model.manifest import Manifest
from bot.model.rollout import Side

Object = dict[str, Any]
Selectors = Sequence[Mapping[str, str]]

SCALER = "HorizontalPodAutoscaler"
_SHARED = frozenset(("ReadWriteMany", "ReadOnlyMany"))


def with_tracks(objects: Sequence[Object], backends: Selectors) -> None:
    """Labels the pods behind routes as stable, and adds the label to the selectors of Services and budgets.

    `backends` are the selectors of the Services behind the routes. Raises ManifestRefused for pods of which
    two revisions cannot run side by side.
    """
    routed = [
        manifest for manifest in objects if is_selected(backends, manifest) and manifest["kind"] != "Job"
    ]
    if not routed:
        raise ManifestRefused(
            "No workload of the manifests is behind a route, so `rollout` has nothing to run two revisions "
            "of. Use `rollout: rolling`, or route to the Service of a Deployment."
        )
    for manifest in routed:
        _require_two_revisions(manifest, objects)
    selectors = [selector for manifest in objects if (selector := _selector(manifest)) is not None]
    shared = [selector for selector in selectors if any(selects(selector, manifest) for manifest in routed)]
    for manifest in objects:
        # A Service may also select pods that are not behind a route: they need the label as well.
        if manifest["kind"] != "Job" and is_selected(shared, manifest):
            template = pod_template(manifest)
            template["metadata"]["labels"][TRACK] = Side.STABLE.value
            annotations = template["metadata"]["annotations"]
            annotations[TEMPLATE] = digest([annotations[TEMPLATE], TRACK])[:16]
    for selector in shared:
        selector[TRACK] = Side.STABLE.value
    deployments = {manifest["metadata"]["name"] for manifest in routed}
    for manifest in objects:
        if manifest["kind"] == SCALER and scaled(manifest) in deployments:
            # A rollout raises it, and only what is applied is lowered again.
            manifest["spec"].setdefault("minReplicas", 1)


def scaled(scaler: Manifest) -> str:
    """The name of the Deployment whose size an autoscaler decides; "" for another one."""
    target = scaler["spec"].get("scaleTargetRef") or {}
    return str(target.get("name", "")) if target.get("kind") == "Deployment" else ""


def untracked(objects: Iterable[Manifest]) -> list[Manifest]:
    """The objects with selectors that also match pods without the label."""
    return [_without_track(manifest) for manifest in objects]


def _without_track(manifest: Manifest) -> Manifest:
    path = _SELECTORS.get(manifest["kind"])
    if path is None or TRACK not in (_selector(manifest) or {}):
        return manifest
    copy: Object = {**manifest, "spec": dict(manifest["spec"])}
    parent: Object = copy["spec"]
    for key in path[1:-1]:
        parent[key] = dict(parent[key])
        parent = parent[key]
    parent[path[-1]] = {key: value for key, value in parent[path[-1]].items() if key != TRACK}
    return copy


_SELECTORS: Mapping[str, tuple[str, ...]] = {
    "Service": ("spec", "selector"),
    "PodDisruptionBudget": ("spec", "selector", "matchLabels"),
}


def _selector(manifest: Manifest) -> dict[str, str] | None:
    """The labels by which a Service or budget selects pods; None for other objects."""
    value: Any = manifest
    for key in _SELECTORS.get(manifest["kind"], ("",)):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else None


def _require_two_revisions(manifest: Manifest, objects: Sequence[Manifest]) -> None:
    name = object_name(manifest)
    if manifest["kind"] != "Deployment":
        raise ManifestRefused(
            f"{name} is behind the route, and `rollout` runs two revisions of such pods side by side. "
            "That is possible for a Deployment only. Use `rollout: rolling`, or a Deployment."
        )
    modes = {
        claim["metadata"]["name"]: set(claim["spec"].get("accessModes") or ())
        for claim in objects
        if claim["kind"] == "PersistentVolumeClaim"
    }
    for claim in claims(manifest):
        if not modes.get(claim, set()) & _SHARED:
            raise ManifestRefused(
                f"{name} is behind the route and mounts the claim {claim!r}, which only one node can use, so "
                "`rollout` cannot run two revisions of it side by side. Use `rollout: rolling`, or a claim "
                "with the access mode ReadWriteMany."
            )
