"""The candidate's objects beside those of the stable revision."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.cluster.names import CANDIDATE, TEMPLATE, TRACK
from bot.cluster.render.tracks import untracked, with_tracks
from bot.cluster.rollouts.candidate import candidate, require_unchanged_seals, routed
from bot.model.errors import ManifestRefused, Rejected
from bot.model.manifest import Bundle, CandidateRequest, Wave
from bot.model.release import Release

Object = dict[str, Any]
_SUFFIX = "gr0123abcd"
_REQUEST = CandidateRequest(_SUFFIX, ("X-Candidate", "secret"), {"shop": 3})


def _object(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": {}}, "spec": spec}


def _workload(name: str, labels: dict[str, str], kind: str = "Deployment", **pod: Any) -> Object:
    container = {"name": "web", "image": "x", "envFrom": [{"configMapRef": {"name": "settings"}}]}
    template = {
        "metadata": {"labels": dict(labels), "annotations": {TEMPLATE: name}},
        "spec": {"containers": [container], **pod},
    }
    return _object(kind, name, {"selector": {"matchLabels": dict(labels)}, "template": template})


def _objects() -> list[Object]:
    shop, worker = {"app": "shop"}, {"app": "shop", "part": "worker"}
    budget = {"selector": {"matchLabels": dict(shop)}, "maxUnavailable": 1}
    target = {"kind": "Deployment", "name": "shop"}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"A": "1"}},
        _workload("shop", shop),
        _workload("worker", worker),
        _workload("mailer", {"app": "mailer"}),
        _object("Service", "shop", {"selector": dict(shop), "ports": [{"port": 80}]}),
        _object("PodDisruptionBudget", "shop", budget),
        _object(
            "HorizontalPodAutoscaler", "shop", {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2}
        ),
    ]


def _bundle() -> Bundle:
    objects = _objects()
    with_tracks(objects, [{"app": "shop"}])
    rules = [{"backendRefs": [{"name": "shop", "port": 80, "weight": 1}]}]
    route = _object("HTTPRoute", "greenroom-route", {"hostnames": ["a.example"], "rules": rules})
    waves = {
        Wave.CONFIGURATION: tuple(objects[:1]),
        Wave.WORKLOADS: tuple(objects[1:]),
        Wave.ROUTE: (route,),
    }
    return Bundle(Release("c" * 40, {}, "d"), waves)


def _made(*existing: tuple[str, str], request: CandidateRequest = _REQUEST) -> dict[tuple[str, str], Object]:
    bundle = candidate(_bundle(), request, existing)
    objects = (manifest for wave in bundle.waves.values() for manifest in wave)
    return {(manifest["kind"], manifest["metadata"]["name"]): dict(manifest) for manifest in objects}


_EXISTING = tuple((item["kind"], item["metadata"]["name"]) for item in _objects())


def test_pods_of_a_shared_service_get_the_label_and_selectors_name_the_side() -> None:
    objects = _objects()
    with_tracks(objects, [{"app": "shop"}])
    by_name = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    for name in ("shop", "worker"):
        assert by_name["Deployment", name]["spec"]["template"]["metadata"]["labels"][TRACK] == "stable"
        assert TRACK not in by_name["Deployment", name]["spec"]["selector"]["matchLabels"]
    assert by_name["Service", "shop"]["spec"]["selector"][TRACK] == "stable"
    assert by_name["PodDisruptionBudget", "shop"]["spec"]["selector"]["matchLabels"][TRACK] == "stable"
    restored = {(item["kind"], item["metadata"]["name"]): item for item in untracked(objects)}
    assert restored["Service", "shop"]["spec"]["selector"] == {"app": "shop"}
    assert restored["PodDisruptionBudget", "shop"]["spec"]["selector"]["matchLabels"] == {"app": "shop"}


def test_candidate_gets_no_traffic_of_one_that_still_drains() -> None:
    earlier = _made(*_EXISTING, request=replace(_REQUEST, suffix="grffff0000"))
    later = _made(*_EXISTING)
    pods = earlier["Deployment", "shop-grffff0000"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        later["Service", f"shop-{_SUFFIX}"]["spec"]["selector"],
        later["Deployment", f"shop-{_SUFFIX}"]["spec"]["selector"]["matchLabels"],
        later["PodDisruptionBudget", f"shop-{_SUFFIX}"]["spec"]["selector"]["matchLabels"],
    ]
    own = later["Deployment", f"shop-{_SUFFIX}"]["spec"]["template"]["metadata"]["labels"]
    for selector in selectors:
        assert selector.items() <= own.items()
        assert not selector.items() <= pods.items()


def test_nothing_that_exists_is_applied_before_the_finish() -> None:
    assert not set(_made(*_EXISTING)) & set(_EXISTING)


def test_new_objects_come_with_the_candidate() -> None:
    existing = [key for key in _EXISTING if key[1] not in ("mailer", "worker")]
    made = _made(*existing)
    assert ("Deployment", "mailer") in made
    assert ("Deployment", "worker") not in made, "it is behind the route: its candidate comes first"


def test_candidate_has_objects_of_its_own() -> None:
    made = _made(*_EXISTING)
    name = f"shop-{_SUFFIX}"
    kinds = ("Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler")
    assert {(kind, name) for kind in kinds} <= set(made)
    deployment = made["Deployment", name]
    assert deployment["spec"]["replicas"] == 3
    assert deployment["spec"]["selector"]["matchLabels"] == {
        "app": "shop",
        TRACK: "candidate",
        CANDIDATE: _SUFFIX,
    }
    assert deployment["spec"]["template"]["metadata"]["labels"][TRACK] == "candidate"
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": f"settings-{_SUFFIX}"}}]
    assert made["ConfigMap", f"settings-{_SUFFIX}"]["data"] == {"A": "1"}
    assert made["Service", name]["spec"]["selector"][TRACK] == "candidate"
    scaler = made["HorizontalPodAutoscaler", name]["spec"]
    assert (scaler["scaleTargetRef"]["name"], scaler["minReplicas"], scaler["maxReplicas"]) == (name, 3, 3)


def test_pods_of_both_sides_have_different_revisions() -> None:
    bundle = _bundle()
    [stable] = routed(bundle).deployments[:1]
    made = candidate(bundle, _REQUEST, _EXISTING).waves[Wave.WORKLOADS]
    revisions = {
        manifest["spec"]["template"]["metadata"]["annotations"][TEMPLATE]
        for manifest in (stable, *made)
        if manifest["kind"] == "Deployment"
    }
    assert len(revisions) == 3  # shop, its candidate and that of the worker, which the Service also selects


def test_job_of_a_check_has_the_address_of_the_candidate() -> None:
    """The address replaces the stage's one, which is routed to the stable revision."""
    job = _workload("check-smoke", {}, kind="Job")
    [container] = job["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "GREENROOM_URL", "value": "https://a.example"}, {"name": "A", "value": "1"}]
    bundle = replace(_bundle(), checks={"smoke": job})
    [container] = candidate(bundle, _REQUEST, _EXISTING).checks["smoke"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert {item["name"]: item["value"] for item in container["env"]} == {
        "A": "1",
        "GREENROOM_URL": f"http://shop-{_SUFFIX}:80",
        "GREENROOM_HOST": f"shop-{_SUFFIX}:80",
    }


def test_bundle_of_the_release_is_unchanged() -> None:
    bundle = _bundle()
    before = json.dumps([list(wave) for wave in bundle.waves.values()])
    candidate(bundle, _REQUEST, _EXISTING)
    assert json.dumps([list(wave) for wave in bundle.waves.values()]) == before


def test_stateful_set_behind_a_route_is_refused() -> None:
    objects = [_workload("db", {"app": "shop"}, "StatefulSet")]
    with pytest.raises(ManifestRefused, match=r"StatefulSet/db is behind the route.*Deployment only"):
        with_tracks(objects, [{"app": "shop"}])


def test_route_without_a_workload_is_refused() -> None:
    """Such as to a Service without selector, or to pods that an operator runs."""
    with pytest.raises(ManifestRefused, match="No workload of the manifests is behind a route"):
        with_tracks([_workload("shop", {"app": "shop"})], [{"app": "other"}])


@pytest.mark.parametrize(
    ("modes", "refused"), [(["ReadWriteOnce"], True), (["ReadWriteMany"], False), ([], True)]
)
def test_claim_of_one_node_is_refused(modes: list[str], refused: bool) -> None:
    volume = {"name": "files", "persistentVolumeClaim": {"claimName": "files"}}
    claim = _object("PersistentVolumeClaim", "files", {"accessModes": modes})
    objects = [claim, _workload("shop", {"app": "shop"}, volumes=[volume])]
    if not refused:
        with_tracks(objects, [{"app": "shop"}])
        return
    with pytest.raises(ManifestRefused, match="mounts the claim 'files'"):
        with_tracks(objects, [{"app": "shop"}])


def _sealed(content: str, **annotations: str) -> Object:
    sealed = _object("SealedSecret", "stripe", {"encryptedData": {"TOKEN": content}})
    sealed["metadata"]["annotations"] = annotations
    return sealed


def test_canary_that_changes_a_strict_seal_is_refused() -> None:
    live = {"stripe": _sealed("before")}
    with pytest.raises(Rejected, match="SealedSecret stripe changes, and it is sealed for its name"):
        require_unchanged_seals(_with_configuration(_sealed("after")), live)
    require_unchanged_seals(_with_configuration(_sealed("before")), live)
    wide = {"sealedsecrets.bitnami.com/namespace-wide": "true"}
    require_unchanged_seals(_with_configuration(_sealed("after", **wide)), live)


def _with_configuration(manifest: Object) -> Bundle:
    return replace(_bundle(), waves={Wave.CONFIGURATION: (manifest,)})
