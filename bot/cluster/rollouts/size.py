"""The size of the stable revision while it gets its traffic back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.cluster.names import digest
from bot.cluster.render.tracks import SCALER, scaled
from bot.model.manifest import Bundle, Manifest, Wave


def bounds(scaler: Manifest, pods: int) -> Mapping[str, int]:
    """The bounds of an autoscaler that keeps at least this many pods."""
    spec = scaler["spec"]
    return {
        "minReplicas": max(pods, int(spec.get("minReplicas", 1))),
        "maxReplicas": max(pods, int(spec.get("maxReplicas", 1))),
    }


def at_size(bundle: Bundle, replicas: Mapping[str, int]) -> Bundle:
    """The bundle whose autoscaled Deployments have at least these numbers of pods."""
    objects = bundle.waves.get(Wave.WORKLOADS, ())
    autoscaled = {scaled(manifest) for manifest in objects if manifest["kind"] == SCALER}
    sized = tuple(_at_size(manifest, replicas, autoscaled) for manifest in objects)
    if sized == objects:
        return bundle
    return replace(
        bundle,
        waves={**bundle.waves, Wave.WORKLOADS: sized},
        digests={**bundle.digests, Wave.WORKLOADS: digest(["at size", sized])},
    )


def _at_size(manifest: Manifest, replicas: Mapping[str, int], autoscaled: set[str]) -> Manifest:
    spec, name = manifest.get("spec") or {}, manifest["metadata"]["name"]
    if manifest["kind"] == SCALER and scaled(manifest) in replicas:
        return {**manifest, "spec": {**spec, **bounds(manifest, replicas[scaled(manifest)])}}
    # Where the field is absent, it stays so: it belongs to the autoscaler.
    if manifest["kind"] == "Deployment" and name in autoscaled & replicas.keys() and "replicas" in spec:
        return {**manifest, "spec": {**spec, "replicas": max(replicas[name], spec["replicas"])}}
    return manifest
