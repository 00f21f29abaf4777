"""Workloads: names of Jobs, labels of claims, and the objects of a sleeping environment."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.names import content_name, own_labels
from bot.cluster.render.transforms.base import Context, Object, created
from bot.model.manifest import Manifest
from bot.model.notes import Note

_SCALED_KINDS = frozenset(("Deployment", "StatefulSet"))
_LEFT_OUT = frozenset(("HorizontalPodAutoscaler", "Job", "Pod"))
"""Kinds that cannot be stopped and started, or that start others. Existing Jobs stay."""


_RETENTION = "persistentVolumeClaimRetentionPolicy"
"""Field of a StatefulSet, which may delete its claims when it is scaled."""


def label_claims(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Labels claim templates. The controller copies the labels to the claims, so that a reset finds them."""
    for manifest in objects:
        if manifest["kind"] == "StatefulSet":
            for claim in manifest["spec"].get("volumeClaimTemplates") or []:
                labels = created(created(claim, "metadata"), "labels")
                labels.update(own_labels(context.request.environment))
    return list(objects), []


def name_jobs(objects: Sequence[Object], _: Context) -> tuple[list[Object], list[Note]]:
    """Adds a digest of the content to names of Jobs, whose pods are immutable: a changed Job runs again."""
    for manifest in objects:
        if manifest["kind"] == "Job":
            manifest["metadata"]["name"] = content_name(manifest["metadata"]["name"], manifest["spec"])
    return list(objects), []


def hibernated(objects: Sequence[Manifest]) -> list[Manifest]:
    """The objects of a sleeping environment: everything exists and nothing runs."""
    return [_stopped(manifest) for manifest in objects if manifest["kind"] not in _LEFT_OUT]


def _stopped(manifest: Manifest) -> Manifest:
    if manifest["kind"] in _SCALED_KINDS:
        spec = {**manifest["spec"], "replicas": 0}
        if _RETENTION in spec:
            spec[_RETENTION] = {**spec[_RETENTION], "whenScaled": "Retain"}
        return {**manifest, "spec": spec}
    if manifest["kind"] == "CronJob":
        return {**manifest, "spec": {**manifest["spec"], "suspend": True}}
    return manifest
