"""The size that rendered objects request."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cluster.render.demand import requested_size
from bot.model.size import Size
from tests.unit.cluster.manifests import Object, deployment, stateful_set


def sized(manifest: Object, **resources: Any) -> Object:
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = resources
    return manifest


def claim(amount: str) -> Object:
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"resources": {"requests": {"storage": amount}}},
    }


def scaler(least: int) -> Object:
    target = {"kind": "Deployment", "name": "shop"}
    spec = {"minReplicas": least, "scaleTargetRef": target}
    return {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "shop"}, "spec": spec}


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([], Size("0m", "0Mi", "0Mi", "0")),
        ([deployment()], Size("100m", "256Mi", "0Mi", "2")),
        ([sized(deployment(), requests={"cpu": 1, "memory": "1Gi"})], Size("2000m", "2048Mi", "0Mi", "2")),
        ([sized(deployment(), limits={"cpu": "0.5"})], Size("1000m", "256Mi", "0Mi", "2")),
        ([sized(deployment(), requests={"cpu": "x"})], Size("0m", "256Mi", "0Mi", "2")),
        ([deployment(), scaler(5)], Size("250m", "640Mi", "0Mi", "5")),
        ([deployment(), {**scaler(5), "spec": None}], Size("100m", "256Mi", "0Mi", "2")),
        ([claim("20Gi")], Size("0m", "0Mi", "20480Mi", "0")),
        (
            [{**stateful_set(), "spec": {**stateful_set()["spec"], "volumeClaimTemplates": [claim("1Gi")]}}],
            Size("100m", "256Mi", "2048Mi", "2"),
        ),
        ([{**deployment(), "kind": "Job"}], Size("50m", "128Mi", "0Mi", "1")),
        (
            [deployment(initContainers=[{"name": "i", "resources": {"requests": {"cpu": "2"}}}])],
            Size("4000m", "256Mi", "0Mi", "2"),
        ),
    ],
)
def test_requested_size(objects: list[Object], expected: Size):
    assert requested_size(objects) == expected


def test_excess_names_only_what_does_not_fit():
    excess = Size("4500m", "1Gi", "20480Mi", "41").excess(Size())
    assert excess == {"cpu": ("4500m", "4"), "pods": ("41", "40")}
