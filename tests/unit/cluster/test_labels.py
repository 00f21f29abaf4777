"""Labels with a domain by which manifests select their pods: renamed everywhere, so that they match."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from bot.model.errors import ManifestRefused
from bot.model.manifest import Bundle
from tests.unit.cluster.manifests import POLICY, Object, deployment, render, request, service
from tests.unit.cluster.test_transforms import find, objects

KOMPOSE = "io.kompose.service"
NEW = "selector-io-kompose-service"


def labelled(name: str, key: str = KOMPOSE) -> tuple[Object, Object]:
    """A Deployment and its Service, which selects by the label."""
    workload, in_front = deployment(name), service(name, selector={key: name})
    workload["metadata"]["labels"] = {key: name, "app": name}
    workload["spec"]["selector"] = {"matchLabels": {key: name}}
    workload["spec"]["template"]["metadata"]["labels"] = {key: name}
    return workload, in_front


def rendered(*manifests: Object, **changes: Any) -> Bundle:
    return render(request(deployment(), service(), *manifests), **changes)


def named(bundle: Bundle, kind: str, name: str) -> Any:
    [only] = [
        manifest
        for manifest in objects(bundle)
        if (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)
    ]
    return only


def test_labels_of_a_tool_still_select_the_pods():
    bundle = rendered(*labelled("carts"))
    workload, in_front = named(bundle, "Deployment", "carts"), named(bundle, "Service", "carts")
    assert in_front["spec"]["selector"] == {NEW: "carts"}
    assert workload["spec"]["selector"] == {"matchLabels": {NEW: "carts"}}
    assert workload["spec"]["template"]["metadata"]["labels"][NEW] == "carts"
    assert KOMPOSE not in str(workload)
    assert [(note.effect.value, note.object, note.field, note.value) for note in bundle.notes] == [
        ("rewritten", "Deployment/carts", f"label {KOMPOSE}", NEW),
        ("rewritten", "Service/carts", f"label {KOMPOSE}", NEW),
    ]


def test_policies_budgets_affinity_and_variables_follow():
    workload, in_front = labelled("carts")
    pod = workload["spec"]["template"]["spec"]
    expression = {"key": KOMPOSE, "operator": "In", "values": ["carts"]}
    term = {"labelSelector": {"matchExpressions": [expression]}, "topologyKey": "kubernetes.io/hostname"}
    pod["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    reference = {"fieldRef": {"fieldPath": f"metadata.labels['{KOMPOSE}']"}}
    pod["containers"][0]["env"] = [{"name": "PART", "valueFrom": reference}]
    network = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "carts"},
        "spec": {"podSelector": {"matchLabels": {KOMPOSE: "carts"}}, "ingress": [{}]},
    }
    bundle = rendered(workload, in_front, network)
    changed = named(bundle, "Deployment", "carts")["spec"]["template"]["spec"]
    [same] = changed["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert same["labelSelector"]["matchExpressions"][0]["key"] == NEW
    variable = next(entry for entry in changed["containers"][0]["env"] if entry["name"] == "PART")
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.labels['{NEW}']"
    assert find(bundle, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == {NEW: "carts"}


@pytest.mark.parametrize("key", ["app", "app.kubernetes.io/name"])
def test_labels_that_environments_keep_have_their_names(key: str):
    bundle = rendered(*labelled("carts", key))
    assert named(bundle, "Service", "carts")["spec"]["selector"] == {key: "carts"}
    assert not bundle.notes


def test_labels_that_the_operator_allows_have_their_names():
    allowed = replace(POLICY, allowed_annotations=(KOMPOSE,))
    bundle = rendered(*labelled("carts"), policy=allowed)
    assert named(bundle, "Service", "carts")["spec"]["selector"] == {KOMPOSE: "carts"}


def test_labels_that_nothing_selects_are_left_out_as_before():
    workload = deployment("carts")
    workload["metadata"]["labels"] = {KOMPOSE: "carts"}
    bundle = rendered(workload)
    assert "kompose" not in str(named(bundle, "Deployment", "carts"))
    assert [note.effect.value for note in bundle.notes] == ["left out"]


def test_reserved_labels_are_refused():
    with pytest.raises(ManifestRefused, match="reserved"):
        rendered(*labelled("carts", "greenroom.dev/environment"))


@pytest.mark.parametrize("key", ["acme.example/" + "a" * 60, "acme.example/jenkins-config"])
def test_no_new_name_is_too_long_or_obeyed(key: str):
    [(new, value)] = named(rendered(*labelled("carts", key)), "Service", "carts")["spec"]["selector"].items()
    assert value == "carts"
    assert len(new) <= 63
    assert new.startswith("selector-")
    assert not new.endswith("jenkins-config")


@pytest.mark.parametrize(
    "broken",
    [{"spec": {"selector": [KOMPOSE]}}, {"spec": None}, {"metadata": {"name": "x", "labels": [1]}}],
)
def test_objects_of_any_shape_reach_the_guard(broken: Object):
    manifest = copy.deepcopy(labelled("carts")[1])
    with pytest.raises(ManifestRefused):
        rendered(*labelled("other"), {**manifest, **broken})
