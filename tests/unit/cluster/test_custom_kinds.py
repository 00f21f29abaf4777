"""Kinds of the operator's cluster: allowed by name, judged by what every object has, withheld from forks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.cluster.client.kinds import kind_of
from bot.cluster.health.health import Surroundings, assess
from bot.model.errors import ManifestRefused
from bot.model.manifest import Bundle, Condition, Wave
from bot.settings.kinds import custom_kinds
from tests.unit.cluster.manifests import POLICY, Object, deployment, render, request, service

ALLOWED = replace(
    POLICY,
    allowed_kinds=custom_kinds("clusters.db.example.com/v1=Cluster,scalers.db.example.com/v1=Scaler"),
)


def custom(kind: str = "Cluster", **fields: Any) -> Object:
    return {
        "apiVersion": "db.example.com/v1",
        "kind": kind,
        "metadata": {"name": "shop"},
        "spec": {"instances": 1},
        **fields,
    }


def rendered(*manifests: Object, **changes: Any) -> Bundle:
    return render(request(deployment(), service(), *manifests, **changes), ALLOWED)


def test_allowed_kind_is_applied_with_the_databases():
    bundle = rendered(custom(status={"phase": "x"}))
    [database] = bundle.waves[Wave.DATA]
    assert (database["spec"], "status" in database) == ({"instances": 1}, False)
    assert kind_of(database).path("ns", "shop") == "/apis/db.example.com/v1/namespaces/ns/clusters/shop"


def test_object_that_names_a_workload_follows_it():
    target = {"scaleTargetRef": {"kind": "Deployment", "name": "shop"}}
    bundle = rendered(custom("Scaler", spec=target))
    assert "Scaler" in {manifest["kind"] for manifest in bundle.waves[Wave.WORKLOADS]}


def test_other_kinds_are_refused_with_both_ways_out():
    other = {**custom(), "apiVersion": "db.example.com/v2"}
    with pytest.raises(ManifestRefused) as refused:
        rendered(other)
    assert "`manifests.ignore: [Cluster]`" in str(refused.value)
    assert "`GREENROOM_ALLOWED_KINDS`" in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"spec": {"secret": "greenroom-secrets"}}, "spec.secret: names that begin with `greenroom`"),
        ({"spec": {"secret": "gr-shop-pr-7/greenroom-secrets"}}, "spec.secret: names that begin with `green"),
        ({"spec": {"value": "greenroom-secrets:KEY"}}, "spec.value: names that begin with `greenroom`"),
        ({"spec": {"secrets": {"greenroom-secrets": {}}}}, "names that begin with `greenroom`"),
        ({"spec": {"podLabel": {"greenroom.dev/environment": "x"}}}, "are reserved"),
        ({"spec": {"pods": [{"metadata": {"finalizers": ["a"]}}]}}, "spec.pods[0].metadata.finalizers"),
        ({"metadata": {"name": "shop", "annotations": {"greenroom.dev/resource": "secrets"}}}, "reserved"),
        ({"metadata": {"name": "greenroom-x"}}, "names that begin with `greenroom`"),
        ({"spec": {"pod": {"metadata": {"namespace": "kube-system"}}}}, "spec.pod.metadata.namespace"),
        ({"spec": {"inheritedMetadata": {"finalizers": ["a/b"]}}}, "could block the deletion"),
        ({"spec": {"pods": [{"ownerReferences": [{"kind": "Node"}]}]}}, "owners are set by controllers"),
        ({"spec": {"commonLabels": {"greenroom.dev/environment": "x"}}}, "are reserved"),
        ({"spec": {"serviceAnnotations": {"greenroom.dev/job": "seed"}}}, "are reserved"),
    ],
)
def test_what_every_object_has_is_judged(fields: Object, problem: str):
    with pytest.raises(ManifestRefused) as refused:
        render(request(deployment(), service(), custom(**fields)), replace(ALLOWED))
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    "field",
    ["annotations", "labels", "serviceAnnotations", "commonLabels", "ingress_annotations", "podAnnotation"],
)
@pytest.mark.parametrize("place", ["inheritedMetadata", "podMetadata", "template"])
def test_keys_that_controllers_obey_are_removed_under_any_name(field: str, place: str):
    """Their controllers put them on objects that they create."""
    key = "external-dns.alpha.kubernetes.io/hostname"
    bundle = rendered(custom(spec={place: [{field: {key: "www.example.com", "team": "shop"}}]}))
    [database] = bundle.waves[Wave.DATA]
    assert database["spec"] == {place: [{field: {"team": "shop"}}]}
    assert any(key in note.field for note in bundle.notes)


def test_fields_that_are_no_metadata_stay():
    spec = {
        "labels": ["a/b", "c"],
        "image": "images.example.com/acme/greenroom:1.0",
        "annotations": {"rules": [{"a/b": "c"}], "team": "shop"},
        "selector": {"matchLabels": {"example.com/team": "shop"}},
    }
    bundle = rendered(custom(spec=spec))
    [database] = bundle.waves[Wave.DATA]
    assert (database["spec"], [note for note in bundle.notes if "Cluster" in note.object]) == (spec, [])


def test_fork_gets_none():
    bundle = rendered(custom(), fork=True)
    assert all(manifest["kind"] != "Cluster" for objects in bundle.waves.values() for manifest in objects)
    assert [note.object for note in bundle.notes if note.in_comment] == ["Cluster/shop"]


@pytest.mark.parametrize(
    ("status", "condition"),
    [
        (None, Condition.READY),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, Condition.READY),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, Condition.PROGRESSING),
        ({"conditions": [{"type": "Ready", "status": "Unknown"}]}, Condition.PROGRESSING),
        ({"conditions": [{"type": "Degraded", "status": "False"}]}, Condition.READY),
        ({"conditions": "soon"}, Condition.READY),
    ],
)
def test_condition_of_its_controller_decides_about_its_health(status: Any, condition: Condition):
    [database] = rendered(custom()).waves[Wave.DATA]
    assert assess(database, {**database, "status": status}, Surroundings()).condition is condition
    assert assess(database, None, Surroundings()).condition is Condition.PROGRESSING


@pytest.mark.parametrize(
    "text",
    [
        "Cluster",
        "clusters.db.example.com=Cluster",
        "pods/v1=Pod",
        "clusterroles.rbac.authorization.k8s.io/v1=ClusterRole",
        "things.k8s.io/v1=Thing",
        "services.serving.example.com/v1=Service",
        "a.b.com/v1=Cluster,c.d.com/v1=Cluster",
        "validatingwebhookconfigurations.admissionregistration.k8s.io/v1=ValidatingWebhookConfiguration",
    ],
)
def test_kinds_of_kubernetes_cannot_be_allowed(text: str):
    with pytest.raises(ValueError, match=r"expected|Kubernetes|twice"):
        custom_kinds(text)
