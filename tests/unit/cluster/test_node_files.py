"""Mounts of files of nodes that pods can do without; all other ones are refused."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.errors import ManifestRefused
from bot.model.manifest import Bundle
from tests.unit.cluster.manifests import Object, deployment, render, request, service
from tests.unit.cluster.test_transforms import objects


def mounting(path: str, **volume: Any) -> Object:
    """A Deployment that mounts the path, beside a volume of its own."""
    volumes = [
        {"name": "node", "hostPath": {"path": path, "type": ""}, **volume},
        {"name": "own", "emptyDir": {}},
    ]
    manifest = deployment("worker", volumes=volumes)
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    container["volumeMounts"] = [
        {"name": "node", "mountPath": path, "readOnly": True},
        {"name": "own", "mountPath": "/data"},
    ]
    return manifest


def rendered(*manifests: Object) -> Bundle:
    return render(request(deployment(), service(), *manifests))


def pod_of(bundle: Bundle) -> Any:
    [worker] = [manifest for manifest in objects(bundle) if manifest["metadata"]["name"] == "worker"]
    return worker["spec"]["template"]["spec"]


@pytest.mark.parametrize("path", ["/etc/localtime", "/usr/share/zoneinfo/"])
def test_the_time_zone_of_the_node_is_left_out(path: str):
    bundle = rendered(mounting(path))
    pod = pod_of(bundle)
    assert pod["volumes"] == [{"name": "own", "emptyDir": {}}]
    assert [mount["name"] for mount in pod["containers"][0]["volumeMounts"]] == ["own"]
    assert [(note.effect.value, note.field) for note in bundle.notes] == [
        ("left out", "spec.template.spec.volumes[0].hostPath")
    ]


@pytest.mark.parametrize(
    ("path", "volume"), [("/var/run/datadog/", {}), ("/tmp", {}), ("/dev/shm", {"medium": "Memory"})]
)
def test_a_folder_without_data_becomes_an_empty_one(path: str, volume: Object):
    bundle = rendered(mounting(path))
    pod = pod_of(bundle)
    assert pod["volumes"][0] == {"name": "node", "emptyDir": volume}
    assert len(pod["containers"][0]["volumeMounts"]) == 2
    assert [note.effect.value for note in bundle.notes] == ["rewritten"]


@pytest.mark.parametrize(
    "manifest",
    [
        mounting("/"),
        mounting("/etc"),
        mounting("/tmp/../etc"),
        mounting("/etc/localtime/.."),
        mounting("/var/run/docker.sock"),
        mounting("/var/lib/mysql"),
        mounting("/etc/localtime", emptyDir={}),
    ],
)
def test_other_files_of_nodes_are_refused(manifest: Object):
    with pytest.raises(ManifestRefused, match="hostPath"):
        rendered(manifest)


@pytest.mark.parametrize("volumes", [[None], ["x"], [{"name": "a", "hostPath": "/tmp"}], {"a": 1}])
def test_volumes_of_any_shape_reach_the_guard(volumes: Any):
    with pytest.raises(ManifestRefused):
        rendered(deployment("worker", volumes=volumes))


def test_a_daemon_set_with_the_time_zone_is_no_agent():
    manifest = {**mounting("/etc/localtime"), "kind": "DaemonSet"}
    del manifest["spec"]["replicas"]
    assert pod_of(rendered(manifest))["containers"]
