"""Creating, changing and applying objects: the embedded API server answers as Kubernetes does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.kubernetes_api import (
    JSON_PATCH,
    MERGE,
    SERVERS,
    STRATEGIC,
    Api,
    Json,
    config_map,
    deployment,
    opened,
    pod,
)

APPS = "apps/v1"


@pytest.fixture(params=SERVERS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with opened(request.param, request) as value:
        yield value


def container_of(obj: Json) -> Json:
    return dict(obj["spec"]["template"]["spec"]["containers"][0])


def owned(obj: Json, manager: str) -> Json:
    entries = obj["metadata"].get("managedFields", [])
    return next((entry["fieldsV1"] for entry in entries if entry["manager"] == manager), {})


async def test_create_sets_defaults_and_identity(api: Api) -> None:
    container = {
        "ports": [{"containerPort": 80}],
        "resources": {"requests": {"cpu": 0.5, "memory": "1024Mi"}},
    }
    made = await api.create("deployments", deployment("shop", container), APPS)
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["uid"]
    assert made["metadata"]["creationTimestamp"]
    assert made["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    web = container_of(made)
    assert web["resources"] == {"requests": {"cpu": "500m", "memory": "1Gi"}}
    assert web["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert web["imagePullPolicy"] == "IfNotPresent"


async def test_name_is_generated(api: Api) -> None:
    made = await api.create("configmaps", {"metadata": {"generateName": "seed-"}})
    assert made["metadata"]["name"].startswith("seed-")
    assert len(made["metadata"]["name"]) == len("seed-") + 5


async def test_existing_name_is_refused(api: Api) -> None:
    await api.create("deployments", deployment("shop"), APPS)
    again = await api.create("deployments", deployment("shop"), APPS)
    assert (again["code"], again["reason"]) == (409, "AlreadyExists")
    assert again["message"] == 'deployments.apps "shop" already exists'
    assert again["details"] == {"name": "shop", "group": "apps", "kind": "deployments"}


async def test_update_of_an_old_version_conflicts(api: Api) -> None:
    first = await api.create("configmaps", config_map("settings", {"a": "1"}))
    path = api.path("configmaps", "settings")
    second = await api.call("PUT", path, {**first, "data": {"a": "2"}})
    assert second["data"] == {"a": "2"}
    late = await api.call("PUT", path, {**first, "data": {"a": "3"}})
    assert (late["code"], late["reason"]) == (409, "Conflict")
    assert late["message"] == (
        'Operation cannot be fulfilled on configmaps "settings": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


async def test_unchanged_object_is_not_written(api: Api) -> None:
    path = api.path("configmaps", "settings")
    first = await api.apply(path, config_map("settings", {"a": "1"}), "bot")
    second = await api.apply(path, config_map("settings", {"a": "1"}), "bot")
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    third = await api.call("PATCH", path, {"data": {"a": "1"}}, MERGE)
    assert third["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_generation_counts_spec_changes(api: Api) -> None:
    path = api.path("deployments", "shop", APPS)
    await api.apply(path, deployment("shop"), "bot")
    labelled = await api.call("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert labelled["metadata"]["generation"] == 1
    changed = await api.call("PATCH", path, {"spec": {"minReadySeconds": 3}}, MERGE)
    assert changed["metadata"]["generation"] == 2


async def test_apply_removes_fields_it_owned(api: Api) -> None:
    path = api.path("configmaps", "settings")
    labelled = config_map("settings", {"a": "1", "b": "2"}, labels={"tier": "web"})
    made = await api.apply(path, labelled, "bot")
    assert owned(made, "bot") == {
        "f:data": {"f:a": {}, "f:b": {}},
        "f:metadata": {"f:labels": {"f:tier": {}}},
    }
    less = await api.apply(path, config_map("settings", {"b": "2"}), "bot")
    assert less["data"] == {"b": "2"}
    assert "labels" not in less["metadata"]


async def test_apply_conflicts_until_forced(api: Api) -> None:
    path = api.path("deployments", "shop", APPS)
    await api.apply(path, deployment("shop", {"image": "shop:1"}), "one")
    refused = await api.apply(path, deployment("shop", {"image": "shop:2"}), "two")
    assert (refused["code"], refused["reason"]) == (409, "Conflict")
    assert refused["message"] == (
        'Apply failed with 1 conflict: conflict with "one": .spec.template.spec.containers[name="web"].image'
    )
    assert [cause["reason"] for cause in refused["details"]["causes"]] == ["FieldManagerConflict"]
    forced = await api.apply(path, deployment("shop", {"image": "shop:2"}), "two", force=True)
    assert container_of(forced)["image"] == "shop:2"
    web = owned(forced, "one")["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']
    assert "f:image" not in web


async def test_conflict_names_fields_and_managers(api: Api) -> None:
    path = api.path("configmaps", "settings")
    await api.create("configmaps", config_map("settings", {"a": "1", "b": "2"}))
    refused = await api.apply(path, config_map("settings", {"a": "8", "b": "9"}), "bot")
    assert refused["message"] == (
        'Apply failed with 2 conflicts: conflicts with "story" using v1:\n- .data.a\n- .data.b'
    )


async def test_keyed_lists_merge_by_item(api: Api) -> None:
    path = api.path("deployments", "shop", APPS)
    pairs = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    await api.apply(path, deployment("shop", {"env": pairs}), "one")
    await api.apply(path, deployment("shop", {"env": [{"name": "C", "value": "3"}]}), "two")
    left = await api.apply(path, deployment("shop", {"env": pairs[1:]}), "one")
    assert sorted(item["name"] for item in container_of(left)["env"]) == ["B", "C"]


async def test_apply_with_unknown_field_is_refused(api: Api) -> None:
    answer = await api.apply(api.path("deployments", "shop", APPS), deployment("shop", replicsa=1), "bot")
    assert answer["code"] == 500
    assert answer["message"] == (
        "failed to create typed patch object (/shop; apps/v1, Kind=Deployment): "
        ".spec.replicsa: field not declared in schema"
    )


async def test_unknown_field_is_dropped_or_refused(api: Api) -> None:
    odd = {**config_map("settings", {}), "dta": {}}
    kept = await api.http.post(api.path("configmaps"), json=odd)
    assert kept.status_code == 201
    assert kept.headers["warning"] == '299 - "unknown field \\"dta\\""'
    strict = await api.call("POST", api.path("configmaps") + "?fieldValidation=Strict", odd)
    assert strict["code"] == 400
    assert strict["message"].endswith('strict decoding error: unknown field "dta"')


async def test_status_and_spec_are_separate(api: Api) -> None:
    path = api.path("deployments", "shop", APPS)
    await api.apply(path, deployment("shop"), "bot")
    status = {"status": {"replicas": 2, "readyReplicas": 1}, "spec": {"replicas": 9}}
    p_a_t_c_h = await api.call("PATCH", f"{path}/status", status, MERGE)
    assert p_a_t_c_h["spec"]["replicas"] == 0
    assert p_a_t_c_h["status"]["readyReplicas"] == 1
    ignored = await api.call("PATCH", path, {"status": {"replicas": 7}}, MERGE)
    assert ignored["status"].get("replicas") != 7


async def test_scale_is_a_view_of_the_replicas(api: Api) -> None:
    path = api.path("deployments", "shop", APPS)
    await api.apply(path, deployment("shop"), "bot")
    scaled = await api.call("PATCH", f"{path}/scale", {"spec": {"replicas": 1}}, MERGE)
    assert (scaled["kind"], scaled["spec"]) == ("Scale", {"replicas": 1})
    assert scaled["status"]["selector"] == "app=shop"
    assert (await api.call("GET", path))["spec"]["replicas"] == 1


async def test_strategic_patch_merges_by_name(api: Api) -> None:
    path = api.path("deployments", "shop", APPS)
    await api.apply(path, deployment("shop", {"env": [{"name": "A", "value": "1"}]}), "bot")
    change = {"name": "web", "env": [{"name": "A", "$patch": "delete"}, {"name": "B", "value": "2"}]}
    patch = {"spec": {"template": {"spec": {"containers": [change, {"name": "proxy", "image": "p:1"}]}}}}
    changed = await api.call("PATCH", path, patch, STRATEGIC)
    containers = {item["name"]: item for item in changed["spec"]["template"]["spec"]["containers"]}
    assert containers["web"]["env"] == [{"name": "B", "value": "2"}]
    assert containers["web"]["image"] == "shop:1"
    assert containers["proxy"]["image"] == "p:1"


async def test_json_patch_is_atomic(api: Api) -> None:
    await api.create("configmaps", config_map("settings", {"a": "1"}))
    path = api.path("configmaps", "settings")
    replace = {"op": "replace", "path": "/data/a", "value": "2"}
    refused = await api.call(
        "PATCH", path, [replace, {"op": "test", "path": "/data/a", "value": "9"}], JSON_PATCH
    )
    assert refused["code"] == 422
    assert (await api.call("GET", path))["data"] == {"a": "1"}
    done = await api.call("PATCH", path, [replace], JSON_PATCH)
    assert done["data"] == {"a": "2"}


async def test_dry_run_stores_nothing(api: Api) -> None:
    path = api.path("configmaps", "settings")
    tried = await api.call(
        "PATCH",
        f"{path}?fieldManager=bot&dryRun=All",
        config_map("settings", {"a": "1"}),
        "application/apply-patch+yaml",
    )
    assert tried["data"] == {"a": "1"}
    assert await api.is_gone(path)


async def test_service_keeps_its_address(api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}}
    spec = {"selector": {"app": "shop"}, "ports": [{"port": 80}]}
    path = api.path("services", "shop")
    first = await api.apply(path, {**body, "spec": spec}, "bot")
    assert first["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    more = {**spec, "ports": [{"port": 80, "name": "http"}]}
    second = await api.apply(path, {**body, "spec": more}, "bot")
    assert second["spec"]["clusterIP"] == first["spec"]["clusterIP"]
    moved = await api.apply(path, {**body, "spec": {**spec, "clusterIP": "10.96.200.201"}}, "bot")
    assert moved["details"]["causes"][0]["field"] == "spec.clusterIPs[0]"


async def test_job_selects_its_own_pods(api: Api) -> None:
    container = {"name": "seed", "image": "shop:1"}
    spec = {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "seed"}, "spec": spec}
    made = await api.create("jobs", body, "batch/v1")
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert made["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "seed"
    assert made["spec"]["backoffLimit"] == 6
    patch = {"spec": {"completions": 4}}
    refused = await api.call("PATCH", api.path("jobs", "seed", "batch/v1"), patch, MERGE)
    assert refused["code"] == 422
    assert refused["message"].endswith("spec.completions: Invalid value: 4: field is immutable")


async def test_route_gets_gateway_defaults(api: Api) -> None:
    group = "gateway.networking.k8s.io/v1"
    rule = {"backendRefs": [{"name": "shop", "port": 80}]}
    spec = {"parentRefs": [{"name": "public"}], "hostnames": ["shop.test"], "rules": [rule]}
    body = {"apiVersion": group, "kind": "HTTPRoute", "metadata": {"name": "shop"}, "spec": spec}
    path = api.path("httproutes", "shop", group)
    made = await api.apply(path, body, "bot")
    assert made["spec"]["parentRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}
    ]
    assert made["spec"]["rules"][0]["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert made["spec"]["rules"][0]["backendRefs"] == [
        {"group": "", "kind": "Service", "name": "shop", "port": 80, "weight": 1}
    ]
    other = {**body, "spec": {"hostnames": ["other.test"]}}
    refused = await api.apply(path, other, "other")
    assert refused["message"] == 'Apply failed with 1 conflict: conflict with "bot": .spec.hostnames'


async def test_pod_is_bound_once(api: Api) -> None:
    await api.create("pods", pod("web"))
    target = {"kind": "Node", "name": "somewhere"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": target}
    path = api.path("pods", "web")
    assert (await api.call("POST", f"{path}/binding", binding))["status"] == "Success"
    assert (await api.call("GET", path))["spec"]["nodeName"] == "somewhere"
    again = await api.call("POST", f"{path}/binding", binding)
    assert again["message"].endswith('pod web is already assigned to node "somewhere"')
