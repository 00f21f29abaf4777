"""Older API versions of manifests: translated with a note, as they still are in many repositories."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cluster.manifests import Object, deployment, render, request, service
from tests.unit.cluster.test_transforms import find, objects


def rendered(*manifests: Object) -> Any:
    return render(request(deployment(), service(), *manifests))


def old(kind: str, version: str, **spec: Any) -> Object:
    manifest = deployment("orders")
    manifest |= {"apiVersion": version, "kind": kind}
    manifest["spec"] |= spec
    return manifest


def orders(bundle: Any) -> Any:
    [only] = [manifest for manifest in objects(bundle) if manifest["metadata"]["name"] == "orders"]
    return only


@pytest.mark.parametrize("version", ["extensions/v1beta1", "apps/v1beta1", "apps/v1beta2"])
def test_the_template_selects_the_pods_of_an_old_deployment(version: str):
    manifest = old("Deployment", version, rollbackTo={"revision": 1})
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    del manifest["spec"]["selector"]
    bundle = rendered(manifest)
    changed = orders(bundle)
    assert changed["apiVersion"] == "apps/v1"
    assert changed["spec"]["selector"] == {"matchLabels": labels}
    assert "rollbackTo" not in changed["spec"]
    assert [(note.effect.value, note.field) for note in bundle.notes] == [
        ("rewritten", "apiVersion"),
        ("generated", "spec.selector"),
    ]


def test_a_selector_that_is_written_is_kept():
    manifest = old("Deployment", "extensions/v1beta1")
    bundle = rendered(manifest)
    assert orders(bundle)["spec"]["selector"] == manifest["spec"]["selector"]
    assert [note.field for note in bundle.notes] == ["apiVersion"]


def test_an_old_replica_set_becomes_a_deployment():
    changed = orders(rendered(old("ReplicaSet", "extensions/v1beta1")))
    assert (changed["apiVersion"], changed["kind"]) == ("apps/v1", "Deployment")


def test_an_autoscaler_follows_the_version_of_its_workload():
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "shop"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "name": "shop"},
            "maxReplicas": 3,
        },
    }
    target = find(rendered(scaler), "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target["apiVersion"] == "apps/v1"


def test_old_roles_and_policies_are_translated():
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1beta1",
        "kind": "Role",
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
    }
    policy = {
        "apiVersion": "extensions/v1beta1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "web"},
        "spec": {"podSelector": {}, "ingress": [{}]},
    }
    bundle = rendered(role, policy)
    assert find(bundle, "Role")["apiVersion"] == "rbac.authorization.k8s.io/v1"
    assert find(bundle, "NetworkPolicy")["apiVersion"] == "networking.k8s.io/v1"
