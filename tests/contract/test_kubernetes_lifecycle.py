"""Watches, deletion, garbage collection and namespaces, as in Kubernetes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.kubernetes_api import MERGE, SERVERS, Api, Json, config_map, deployment, opened, pod

APPS = "apps/v1"


@pytest.fixture(params=SERVERS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with opened(request.param, request) as value:
        yield value


def owner(obj: Json, blocking: bool = False) -> Json:
    metadata = obj["metadata"]
    fields = {"apiVersion": "v1", "kind": "ConfigMap", "name": metadata["name"], "uid": metadata["uid"]}
    return {**fields, "blockOwnerDeletion": True} if blocking else fields


async def test_watch_reports_changes(api: Api) -> None:
    path = api.path("configmaps")
    version = (await api.call("GET", path))["metadata"]["resourceVersion"]
    async with api.watch(path, resourceVersion=version, labelSelector="team=web") as events:
        await api.create("configmaps", config_map("other"))
        await api.create("configmaps", config_map("mine", {"a": "1"}, labels={"team": "web"}))
        event = await anext(events)
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "mine")
        await api.call("PATCH", f"{path}/mine", {"data": {"a": "2"}}, MERGE)
        event = await anext(events)
        assert (event["type"], event["object"]["data"]) == ("MODIFIED", {"a": "2"})
        await api.call("PATCH", f"{path}/mine", {"metadata": {"labels": {"team": "ops"}}}, MERGE)
        event = await anext(events)
        assert event["type"] == "DELETED", "an object that no longer matches is deleted for the watcher"


async def test_watch_without_version_lists_first(api: Api) -> None:
    await api.create("configmaps", config_map("early"))
    query = {"fieldSelector": "metadata.name=early", "timeoutSeconds": "1", "allowWatchBookmarks": "true"}
    async with api.watch(api.path("configmaps"), **query) as events:
        kinds = [event["type"] async for event in events]
    assert kinds[0] == "ADDED"
    assert kinds[1:] in ([], ["BOOKMARK"])


async def test_watch_sends_initial_events(api: Api) -> None:
    await api.create("configmaps", config_map("early"))
    query = {
        "fieldSelector": "metadata.name=early",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    async with api.watch(api.path("configmaps"), **query) as events:
        assert (await anext(events))["type"] == "ADDED"
        end = await anext(events)
    assert end["type"] == "BOOKMARK"
    assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_list_is_paged(api: Api) -> None:
    for name in ("a", "b", "c"):
        await api.create("configmaps", config_map(name, labels={"page": "yes"}))
    path = f"{api.path('configmaps')}?labelSelector=page&limit=2"
    first = await api.call("GET", path)
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    assert "kind" not in first["items"][0], "items of a built-in list do not repeat their kind"
    second = await api.call("GET", f"{path}&continue={first['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in second["items"]] == ["c"]
    assert "continue" not in second["metadata"]


async def test_finalizer_delays_deletion(api: Api) -> None:
    path = api.path("configmaps", "held")
    await api.create("configmaps", config_map("held", finalizers=["shop.test/cleanup"]))
    deleted = await api.call("DELETE", path)
    assert deleted["metadata"]["deletionTimestamp"]
    refused = await api.call("PATCH", path, {"metadata": {"finalizers": ["shop.test/x"]}}, MERGE)
    assert "no new finalizers can be added if the object is being deleted" in refused["message"]
    await api.call("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)
    assert await api.is_gone(path)


async def test_scheduled_pod_waits_for_its_node(api: Api) -> None:
    path = api.path("pods", "web")
    await api.create("pods", pod("web", nodeName="somewhere"))
    deleted = await api.call("DELETE", path, {"gracePeriodSeconds": 20})
    assert deleted["metadata"]["deletionGracePeriodSeconds"] == 20
    assert not await api.is_gone(path)
    await api.call("DELETE", path, {"gracePeriodSeconds": 0})
    assert await api.is_gone(path)


async def test_unscheduled_pod_is_deleted_at_once(api: Api) -> None:
    await api.create("pods", pod("web"))
    await api.call("DELETE", api.path("pods", "web"))
    assert await api.is_gone(api.path("pods", "web"))


async def test_deletion_checks_preconditions(api: Api) -> None:
    made = await api.create("configmaps", config_map("settings"))
    path = api.path("configmaps", "settings")
    refused = await api.call("DELETE", path, {"preconditions": {"uid": "another"}})
    assert (refused["code"], refused["reason"]) == (409, "Conflict")
    gone = await api.call("DELETE", path, {"preconditions": {"uid": made["metadata"]["uid"]}})
    assert gone["status"] == "Success"
    assert gone["details"] == {"name": "settings", "kind": "configmaps", "uid": made["metadata"]["uid"]}


async def test_background_deletion_collects_dependents(api: Api) -> None:
    parent = await api.create("configmaps", config_map("parent"))
    await api.create("configmaps", config_map("child", ownerReferences=[owner(parent)]))
    await api.call("DELETE", api.path("configmaps", "parent"), {"propagationPolicy": "Background"})
    await api.until(lambda: api.is_gone(api.path("configmaps", "child")))


async def test_foreground_deletion_removes_the_owner_last(api: Api) -> None:
    parent = await api.create("configmaps", config_map("parent"))
    child = config_map("child", ownerReferences=[owner(parent, blocking=True)], finalizers=["shop.test/slow"])
    await api.create("configmaps", child)
    parent_path, child_path = api.path("configmaps", "parent"), api.path("configmaps", "child")

    async def child_is_dying() -> bool:
        return "deletionTimestamp" in (await api.call("GET", child_path))["metadata"]

    deleted = await api.call("DELETE", parent_path, {"propagationPolicy": "Foreground"})
    assert deleted["metadata"]["finalizers"] == ["foregroundDeletion"]
    await api.until(child_is_dying)
    assert not await api.is_gone(parent_path)
    await api.call("PATCH", child_path, {"metadata": {"finalizers": None}}, MERGE)
    await api.until(lambda: api.is_gone(parent_path))


async def test_orphans_lose_their_owner(api: Api) -> None:
    parent = await api.create("configmaps", config_map("parent"))
    await api.create("configmaps", config_map("child", ownerReferences=[owner(parent)]))
    await api.call("DELETE", api.path("configmaps", "parent"), {"propagationPolicy": "Orphan"})
    await api.until(lambda: api.is_gone(api.path("configmaps", "parent")))
    child = await api.call("GET", api.path("configmaps", "child"))
    assert "ownerReferences" not in child["metadata"]


async def test_namespace_is_deleted_with_its_content(api: Api) -> None:
    namespace = f"/api/v1/namespaces/{api.namespace}"
    await api.create("deployments", deployment("shop"), APPS)
    await api.create("configmaps", config_map("held", finalizers=["shop.test/cleanup"]))
    deleted = await api.call("DELETE", namespace)
    assert deleted["status"]["phase"] == "Terminating"

    async def has_finalizers_condition() -> bool:
        conditions = (await api.call("GET", namespace))["status"].get("conditions", [])
        return any(condition["type"] == "NamespaceFinalizersRemaining" for condition in conditions)

    await api.until(has_finalizers_condition)
    value = (await api.call("GET", namespace))["status"]["conditions"]
    conditions = {item["type"]: item for item in value}
    assert conditions["NamespaceContentRemaining"]["status"] == "True"
    assert conditions["NamespaceFinalizersRemaining"]["message"] == (
        "Some content in the namespace has finalizers remaining: shop.test/cleanup in 1 resource instances"
    )
    late = await api.create("configmaps", config_map("late"))
    assert (late["code"], late["reason"]) == (403, "Forbidden")
    assert late["message"] == (
        'configmaps "late" is forbidden: unable to create new content in namespace '
        f"{api.namespace} because it is being terminated"
    )
    assert late["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    await api.call("PATCH", api.path("configmaps", "held"), {"metadata": {"finalizers": None}}, MERGE)
    await api.until(lambda: api.is_gone(namespace), seconds=60)
    assert (await api.create("configmaps", config_map("late")))["message"] == (
        f'namespaces "{api.namespace}" not found'
    )


async def test_claim_in_use_is_protected(api: Api) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    await api.create("persistentvolumeclaims", claim)
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    await api.create("pods", pod("web", nodeName="somewhere", volumes=[volume]))
    path = api.path("persistentvolumeclaims", "data")
    deleted = await api.call("DELETE", path)
    assert deleted["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert not await api.is_gone(path)
    await api.call("DELETE", api.path("pods", "web"), {"gracePeriodSeconds": 0})
    await api.until(lambda: api.is_gone(path))
