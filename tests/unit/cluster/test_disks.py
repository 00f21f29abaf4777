"""Disks of production: an environment starts with new and empty volumes in their place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.environment import EnvironmentKey
from bot.model.errors import ManifestRefused
from bot.model.manifest import Bundle
from tests.unit.cluster.manifests import (
    KEY,
    POLICY,
    Object,
    deployment,
    render,
    request,
    service,
    stateful_set,
)


def with_volumes(*volumes: Object, name: str = "orders") -> Object:
    return deployment(name, volumes=list(volumes))


def rendered(*manifests: Object, **changes: Any) -> Bundle:
    return render(request(deployment(), service(), *manifests), **changes)


def claims(bundle: Bundle) -> dict[str, Any]:
    """The specs of the claims by name."""
    everything = (manifest for wave in bundle.waves.values() for manifest in wave)
    return {
        manifest["metadata"]["name"]: manifest["spec"]
        for manifest in everything
        if manifest["kind"] == "PersistentVolumeClaim"
    }


def volumes(bundle: Bundle, name: str = "orders") -> Any:
    everything = (manifest for wave in bundle.waves.values() for manifest in wave)
    [pod] = [
        manifest["spec"]["template"]["spec"]
        for manifest in everything
        if manifest["metadata"]["name"] == name and "template" in manifest.get("spec", {})
    ]
    return pod["volumes"]


@pytest.mark.parametrize(
    ("kind", "storage"),
    [
        ("gcePersistentDisk", {"pdName": "orders-1", "fsType": "ext4"}),
        ("awsElasticBlockStore", {"volumeID": "vol-1"}),
        ("azureDisk", {"diskName": "orders", "diskURI": "/subscriptions/1"}),
        ("cinder", {"volumeID": "1"}),
        ("nfs", {"server": "10.0.0.1", "path": "/"}),
    ],
)
def test_a_disk_becomes_an_empty_claim_that_the_comment_names(kind: str, storage: Object):
    bundle = rendered(with_volumes({"name": "data", kind: storage}))
    assert volumes(bundle) == [{"name": "data", "persistentVolumeClaim": {"claimName": "orders-data"}}]
    assert claims(bundle)["orders-data"]["accessModes"] == ["ReadWriteOnce"]
    [note] = bundle.notes
    assert (note.object, note.field, note.value, note.in_comment) == (
        "Deployment/orders",
        f"spec.template.spec.volumes[0].{kind}",
        "orders-data",
        True,
    )


def test_workloads_that_share_a_disk_share_its_claim():
    disk = {"pdName": "shared"}
    bundle = rendered(
        with_volumes({"name": "data", "gcePersistentDisk": disk}, name="writer"),
        with_volumes({"name": "in", "gcePersistentDisk": {**disk, "readOnly": True}}, name="reader"),
        with_volumes({"name": "data", "gcePersistentDisk": {"pdName": "other"}}, name="third"),
    )
    assert set(claims(bundle)) == {"writer-data", "third-data"}
    assert volumes(bundle, "reader")[0]["persistentVolumeClaim"] == {"claimName": "writer-data"}


def test_a_claim_of_the_manifests_keeps_its_name():
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "orders-data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}},
    }
    bundle = rendered(claim, with_volumes({"name": "data", "cinder": {"volumeID": "1"}}))
    assert len(claims(bundle)) == 2
    assert claims(bundle)["orders-data"]["resources"]["requests"]["storage"] == "5Gi"
    assert volumes(bundle)[0]["persistentVolumeClaim"]["claimName"] != "orders-data"


def test_long_names_of_workloads_give_valid_names_of_claims():
    manifest = {**stateful_set("d" * 52), "kind": "StatefulSet"}
    manifest["spec"]["template"]["spec"]["volumes"] = [{"name": "v" * 40, "cinder": {"volumeID": "1"}}]
    [name] = claims(rendered(manifest))
    assert len(name) <= 63


def test_storage_that_the_operator_allows_stays():
    policy = replace(POLICY, allowed_fields={"Volume.nfs": frozenset()})
    volume = {"name": "data", "nfs": {"server": "files.example.com", "path": "/orders"}}
    bundle = rendered(with_volumes(volume), policy=policy)
    assert volumes(bundle) == [volume]
    assert not claims(bundle)


def test_a_stage_never_gets_an_empty_volume_in_place_of_its_data():
    volume = {"name": "data", "gcePersistentDisk": {"pdName": "orders-1"}}
    stage = request(
        deployment(),
        service(),
        with_volumes(volume),
        environment=EnvironmentKey.stage(KEY.repository_id, "prod"),
    )
    with pytest.raises(ManifestRefused, match="gcePersistentDisk"):
        render(stage)


@pytest.mark.parametrize("field", ["volumeName", "selector", "storageClassName"])
def test_a_claim_of_an_existing_volume_is_new_in_previews_and_refused_on_stages(field: str):
    value = {"volumeName": "orders-1", "selector": {"matchLabels": {"app": "orders"}}, "storageClassName": ""}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "orders"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            field: value[field],
        },
    }
    assert field not in claims(rendered(claim))["orders"]
    stage = EnvironmentKey.stage(KEY.repository_id, "prod")
    with pytest.raises(ManifestRefused, match=f"{field}.*without the data"):
        render(request(deployment(), service(), claim, environment=stage))


@pytest.mark.parametrize("kind", ["hostPath", "gitRepo"])
def test_a_volume_with_a_second_source_is_refused(kind: str):
    volume = {"name": "data", "nfs": {"server": "10.0.0.1", "path": "/"}, kind: {"path": "/"}}
    with pytest.raises(ManifestRefused, match=kind):
        rendered(with_volumes(volume))
