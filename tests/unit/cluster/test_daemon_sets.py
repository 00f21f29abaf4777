"""DaemonSets in manifests: applications run as one pod, and agents of nodes do not run."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.environment import EnvironmentKey
from bot.model.errors import ManifestRefused
from bot.model.manifest import Bundle
from tests.unit.cluster.manifests import Object, deployment, render, request, service
from tests.unit.cluster.test_transforms import objects


def rendered(*manifests: Object, **changes: Any) -> Bundle:
    return render(request(deployment(), service(), *manifests, **changes))


def daemon_set(version: str = "apps/v1", **pod: Any) -> Object:
    manifest = {**deployment("login", **pod), "apiVersion": version, "kind": "DaemonSet"}
    del manifest["spec"]["replicas"]
    manifest["spec"]["updateStrategy"] = {"type": "RollingUpdate"}
    return manifest


def of_login(bundle: Bundle) -> list[Any]:
    return [manifest for manifest in objects(bundle) if manifest["metadata"]["name"] == "login"]


@pytest.mark.parametrize("version", ["apps/v1", "extensions/v1beta1"])
def test_an_application_runs_as_one_pod(version: str):
    bundle = rendered(daemon_set(version))
    [changed] = of_login(bundle)
    assert (changed["kind"], changed["spec"]["replicas"]) == ("Deployment", 1)
    assert "updateStrategy" not in changed["spec"]
    changes = [(note.effect.value, note.object, note.value) for note in bundle.notes]
    assert changes[-1] == ("rewritten", "DaemonSet/login", "Deployment")


@pytest.mark.parametrize(
    "pod",
    [
        {"hostNetwork": True},
        {"hostPID": True},
        {"volumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}]},
        {"initContainers": [{"name": "setup", "image": "busybox", "securityContext": {"privileged": True}}]},
    ],
)
def test_an_agent_of_nodes_is_left_out(pod: Object):
    bundle = rendered(daemon_set(**pod))
    assert of_login(bundle) == []
    assert [(note.effect.value, note.object) for note in bundle.notes] == [("left out", "DaemonSet/login")]


def test_a_stage_does_not_run_one_pod_in_place_of_many():
    with pytest.raises(ManifestRefused, match="DaemonSet/login, kind"):
        rendered(daemon_set(), environment=EnvironmentKey.stage(4711, "staging"))


def test_a_deployment_of_the_same_name_is_not_replaced():
    with pytest.raises(ManifestRefused, match="DaemonSet/login, kind"):
        rendered(daemon_set(), deployment("login"))


@pytest.mark.parametrize("field", [{"unknown": 1}, {"template": None}])
def test_an_invalid_daemon_set_is_refused(field: Object):
    manifest = daemon_set()
    manifest["spec"] |= field
    with pytest.raises(ManifestRefused):
        rendered(manifest)
