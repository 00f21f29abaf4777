"""Fields that cannot change once an object exists. Same answers from both API servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.kubernetes_api import MERGE, SERVERS, Api, Json, config_map, deployment, opened


@pytest.fixture(params=SERVERS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with opened(request.param, request) as opened_api:
        yield opened_api


def stateful_set(name: str) -> Json:
    body = deployment(name)
    del body["spec"]["paused"]
    return {**body, "kind": "StatefulSet"}


def claim(storage: str) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}


async def changed(api: Api, plural: str, body: Json, patch: Json, group: str = "") -> Json:
    created = await api.create(plural, body, group)
    assert "uid" in created["metadata"], created
    return await api.call("PATCH", api.path(plural, body["metadata"]["name"], group), patch, MERGE)


def other_selector(name: str = "other") -> Json:
    labels = {"app": name}
    return {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}


async def test_deployment_selector_is_immutable(api: Api) -> None:
    answer = await changed(api, "deployments", deployment("shop"), other_selector(), "apps/v1")
    assert (answer["code"], answer["reason"]) == (422, "Invalid")
    assert answer["message"] == (
        'Deployment.apps "shop" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: '
        "field is immutable"
    )


async def test_stateful_set_selector_is_immutable(api: Api) -> None:
    answer = await changed(api, "statefulsets", stateful_set("data"), other_selector(), "apps/v1")
    assert answer["message"] == (
        'StatefulSet.apps "data" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: '
        "field is immutable"
    )


async def test_job_template_is_immutable(api: Api) -> None:
    container = {"name": "seed", "image": "shop:1"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "seed"},
        "spec": {"parallelism": 0, "template": template},
    }
    patch = {"spec": {"template": {"spec": {"containers": [{**container, "image": "shop:2"}]}}}}
    answer = await changed(api, "jobs", body, patch, "batch/v1")
    assert (answer["code"], answer["reason"]) == (422, "Invalid")
    assert answer["message"].startswith('Job.batch "seed" is invalid: spec.template: Invalid value: ')
    assert answer["message"].endswith(": field is immutable")


async def test_service_address_is_immutable(api: Api) -> None:
    spec = {"selector": {"app": "shop"}, "ports": [{"port": 80}]}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": spec}
    address = "10.96.200.201"
    patch = {"spec": {"clusterIP": address, "clusterIPs": [address]}}
    answer = await changed(api, "services", body, patch)
    assert answer["message"] == (
        f'Service "shop" is invalid: spec.clusterIPs[0]: Invalid value: ["{address}"]: '
        "may not change once set"
    )


async def test_claim_spec_is_immutable(api: Api) -> None:
    answer = await changed(
        api, "persistentvolumeclaims", claim("1Gi"), {"spec": {"accessModes": ["ReadWriteMany"]}}
    )
    assert (answer["code"], answer["reason"]) == (422, "Invalid")
    assert answer["message"].startswith(
        'PersistentVolumeClaim "data" is invalid: spec: Forbidden: spec is immutable after creation except '
        "resources.requests and volumeAttributesClassName for bound claims"
    )


async def test_claim_that_is_not_bound_cannot_grow(api: Api) -> None:
    larger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    answer = await changed(api, "persistentvolumeclaims", claim("1Gi"), larger)
    assert answer["message"].startswith(
        'PersistentVolumeClaim "data" is invalid: spec: Forbidden: spec is immutable after creation except '
    )


@pytest.mark.parametrize("api", ["embedded"], indirect=True)
async def test_bound_claim_cannot_shrink(api: Api) -> None:
    """Embedded only: a real controller unbinds a claim without a volume. The message is Kubernetes' own."""
    await api.create("persistentvolumeclaims", claim("2Gi"))
    path = api.path("persistentvolumeclaims", "data")
    await api.call("PATCH", path, {"spec": {"volumeName": "volume"}}, MERGE)
    bound = {"phase": "Bound", "capacity": {"storage": "2Gi"}}
    await api.call("PATCH", f"{path}/status", {"status": bound}, MERGE)
    smaller = {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    assert (await api.call("PATCH", path, smaller, MERGE))["message"] == (
        'PersistentVolumeClaim "data" is invalid: spec.resources.requests.storage: Forbidden: '
        "field can not be less than status.capacity"
    )


@pytest.mark.parametrize(("plural", "kind"), [("configmaps", "ConfigMap"), ("secrets", "Secret")])
async def test_immutable_data_cannot_change(api: Api, plural: str, kind: str) -> None:
    body = {**config_map("settings", {"a": "YQ=="}), "kind": kind, "immutable": True}
    answer = await changed(api, plural, body, {"data": {"a": "Yg=="}})
    immutable = "Forbidden: field is immutable when `immutable` is set"
    assert answer["message"] == f'{kind} "settings" is invalid: data: {immutable}'
    path = api.path(plural, "settings")
    reopened = await api.call("PATCH", path, {"immutable": False}, MERGE)
    assert reopened["message"] == f'{kind} "settings" is invalid: immutable: {immutable}'
    labelled = await api.call("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert labelled["metadata"]["labels"] == {"a": "b"}


async def test_secret_type_is_immutable(api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "type": "Opaque"}
    answer = await changed(api, "secrets", body, {"type": "example.com/other"})
    assert answer["message"] == (
        'Secret "key" is invalid: type: Invalid value: "example.com/other": field is immutable'
    )
