"""Which image each running container should have."""

from __future__ import annotations

import pytest

from bot.cluster.health.observe import running_containers
from bot.model.manifest import Manifest, Wave
from tests.unit.cluster.guarding import put
from tests.unit.cluster.manifests import Object, deployment, render, request, service, stateful_set

STRATEGIES: list[Object] = [
    {"type": "OnDelete"},
    {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
]


def built(image: str, strategy: Object) -> Manifest:
    """The StatefulSet as it is applied with an image."""
    manifest = put(stateful_set(), "spec.updateStrategy", strategy)
    manifest = put(manifest, "spec.template.spec.containers[0].image", image)
    bundle = render(request(deployment(), service(), manifest))
    return next(item for item in bundle.waves[Wave.DATA] if item["kind"] == "StatefulSet")


def pod_of(manifest: Manifest, kind: str = "StatefulSet") -> Object:
    template = manifest["spec"]["template"]
    owner = {"kind": kind, "name": manifest["metadata"]["name"]}
    metadata = {
        "name": "db-0",
        "annotations": template["metadata"]["annotations"],
        "ownerReferences": [owner],
    }
    return {"metadata": metadata, "spec": template["spec"], "status": {"phase": "Running"}}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_pod_of_an_earlier_revision_should_have_the_image_of_its_stateful_set(strategy: Object) -> None:
    """Kubernetes does not replace such a pod, so the StatefulSet counts as rolled out."""
    before, now = built("acme/db:1", strategy), built("acme/db:2", strategy)
    [container] = running_containers([pod_of(before)], [now])
    assert (container.image, container.expected) == ("acme/db:1", "acme/db:2")
    [container] = running_containers([pod_of(now)], [now])
    assert (container.image, container.expected) == ("acme/db:2", "acme/db:2")


def test_pod_of_an_earlier_revision_of_another_kind_has_no_image_that_it_should_have() -> None:
    before, now = (built(f"acme/db:{number}", STRATEGIES[0]) for number in (1, 2))
    [container] = running_containers([pod_of(before, "ReplicaSet")], [now])
    assert container.expected == ""
