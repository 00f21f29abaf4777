"""Refused requests and their messages: the embedded API server answers as Kubernetes does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.kubernetes_api import MERGE, SERVERS, Api, Json, config_map, deployment, opened, pod

APPS = "apps/v1"


@pytest.fixture(params=SERVERS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with opened(request.param, request) as value:
        yield value


async def test_missing_fields_are_listed(api: Api) -> None:
    answer = await api.create("deployments", {"metadata": {"name": "shop"}}, APPS)
    assert (answer["code"], answer["reason"]) == (422, "Invalid")
    assert answer["message"] == (
        'Deployment.apps "shop" is invalid: [spec.selector: Required value, '
        "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`, "
        "spec.template.spec.containers: Required value]"
    )
    fields = [cause["field"] for cause in answer["details"]["causes"]]
    assert fields == ["spec.selector", "spec.template.metadata.labels", "spec.template.spec.containers"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (pod("web", {"image": ""}), "spec.containers[0].image: Required value"),
        (
            pod("web", {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
            'spec.containers[0].resources.requests: Invalid value: "2": '
            "must be less than or equal to cpu limit of 1",
        ),
        (
            pod("web", {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}),
            'spec.containers[0].volumeMounts[0].name: Not found: "data"',
        ),
        (
            pod("web", {"ports": [{"containerPort": 70000}]}),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: "
            "must be between 1 and 65535, inclusive",
        ),
        (
            pod("web", restartPolicy="Sometimes"),
            'spec.restartPolicy: Unsupported value: "Sometimes": '
            'supported values: "Always", "OnFailure", "Never"',
        ),
    ],
)
async def test_invalid_pod_is_rejected(api: Api, body: Json, message: str) -> None:
    answer = await api.create("pods", body)
    assert answer["message"] == f'Pod "web" is invalid: {message}'


async def test_invalid_name_is_rejected(api: Api) -> None:
    answer = await api.create("configmaps", config_map("Not_A_Name"))
    assert answer["code"] == 422
    assert "a lowercase RFC 1123 subdomain must consist of" in answer["message"]


async def test_wrong_type_is_a_bad_request(api: Api) -> None:
    answer = await api.create("deployments", deployment("shop", replicas="three"), APPS)
    assert (answer["code"], answer["reason"]) == (400, "BadRequest")
    assert answer["message"] == (
        'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string '
        "into Go struct field DeploymentSpec.spec.replicas of type int32"
    )


async def test_selector_is_immutable(api: Api) -> None:
    await api.create("deployments", deployment("shop"), APPS)
    labels = {"app": "other"}
    patch = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}
    answer = await api.call("PATCH", api.path("deployments", "shop", APPS), patch, MERGE)
    assert answer["message"].endswith("field is immutable")


async def test_missing_object_is_not_found(api: Api) -> None:
    answer = await api.call("GET", api.path("deployments", "shop", APPS))
    assert answer == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "shop" not found',
        "reason": "NotFound",
        "details": {"name": "shop", "group": "apps", "kind": "deployments"},
        "code": 404,
    }


async def test_quota_counts_and_refuses(api: Api) -> None:
    hard = {"pods": "1", "requests.cpu": "1", "limits.memory": "1Gi"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "cap"}, "spec": {"hard": hard}}
    await api.create("resourcequotas", quota)
    path = api.path("resourcequotas", "cap")
    await api.until(lambda: _used(api, path, {"pods": "0", "requests.cpu": "0", "limits.memory": "0"}))
    unstated = await api.create("pods", pod("a"))
    assert unstated["message"] == (
        'pods "a" is forbidden: failed quota: cap: must specify limits.memory for: web; requests.cpu for: web'
    )
    container = {"resources": {"limits": {"cpu": "600m", "memory": "512Mi"}}}
    await api.create("pods", pod("a", container))
    await api.until(lambda: _used(api, path, {"pods": "1", "requests.cpu": "600m", "limits.memory": "512Mi"}))
    second = await api.create("pods", pod("b", container))
    assert (second["code"], second["reason"]) == (403, "Forbidden")
    assert second["message"] == (
        'pods "b" is forbidden: exceeded quota: cap, requested: pods=1,requests.cpu=600m, '
        "used: pods=1,requests.cpu=600m, limited: pods=1,requests.cpu=1"
    )
    await api.call("DELETE", api.path("pods", "a"))
    await api.until(lambda: _used(api, path, {"pods": "0", "requests.cpu": "0", "limits.memory": "0"}))


async def _used(api: Api, path: str, used: Json) -> bool:
    return bool((await api.call("GET", path)).get("status", {}).get("used") == used)


async def test_limit_range_sets_defaults_and_refuses(api: Api) -> None:
    limit = {"type": "Container", "max": {"memory": "1Gi"}, "default": {"memory": "512Mi"}}
    limits = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "l"},
        "spec": {"limits": [limit]},
    }
    await api.create("limitranges", limits)
    # The real server reads limit ranges from a cache.
    await api.until(lambda: _gets_a_limit(api))
    large = await api.create("pods", pod("large", {"resources": {"limits": {"memory": "2Gi"}}}))
    assert large["message"] == (
        'pods "large" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi'
    )


async def _gets_a_limit(api: Api) -> bool:
    tried = await api.call("POST", api.path("pods") + "?dryRun=All", pod("plain"))
    return bool(tried["spec"]["containers"][0]["resources"].get("limits") == {"memory": "512Mi"})


RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


async def test_restricted_namespace_refuses_pods(api: Api) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await api.call("PATCH", f"/api/v1/namespaces/{api.namespace}", {"metadata": {"labels": labels}}, MERGE)
    refused = await api.create("pods", pod("web"))
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert refused["message"] == (
        'pods "web" is forbidden: violates PodSecurity "restricted:latest": '
        'allowPrivilegeEscalation != false (container "web" must set '
        "securityContext.allowPrivilegeEscalation=false), "
        'unrestricted capabilities (container "web" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "web" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "web" must set securityContext.seccompProfile.type to '
        '"RuntimeDefault" or "Localhost")'
    )
    assert (await api.create("pods", pod("web", {"securityContext": RESTRICTED})))["kind"] == "Pod"


async def test_pod_security_warns_about_deployments(api: Api) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    await api.call("PATCH", f"/api/v1/namespaces/{api.namespace}", {"metadata": {"labels": labels}}, MERGE)
    privileged = deployment("shop", {"securityContext": {"privileged": True}})
    answer = await api.http.post(api.path("deployments", group=APPS), json=privileged)
    assert answer.status_code == 201
    assert 'would violate PodSecurity \\"baseline:latest\\": privileged' in answer.headers["warning"]


async def test_pod_needs_an_existing_service_account(api: Api) -> None:
    answer = await api.create("pods", pod("web", serviceAccountName="absent"))
    assert answer["message"] == (
        'pods "web" is forbidden: error looking up service account '
        f'{api.namespace}/absent: serviceaccount "absent" not found'
    )


@pytest.mark.parametrize("query", ["fieldSelector=spec.color%3Dred", "labelSelector=a%20in%20b", "limit=few"])
async def test_invalid_list_options_are_a_bad_request(api: Api, query: str) -> None:
    answer: dict[str, Any] = await api.call("GET", f"{api.path('configmaps')}?{query}")
    assert (answer["code"], answer["reason"]) == (400, "BadRequest")
