"""RBAC: what a user may do, and what a role or binding may grant. Same answers from both API servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.kubernetes_api import MERGE, SERVERS, Api, Json, config_map, opened

RBAC = "rbac.authorization.k8s.io/v1"
READ_PODS: Json = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
WRITE_ROLES: Json = {
    "apiGroups": ["rbac.authorization.k8s.io"],
    "resources": ["roles", "rolebindings"],
    "verbs": ["create", "patch"],
}


def role(name: str, *rules: Json) -> Json:
    return {"apiVersion": RBAC, "kind": "Role", "metadata": {"name": name}, "rules": list(rules)}


def binding(name: str, role_name: str, user: str) -> Json:
    return {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role_name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }


@pytest.fixture(params=SERVERS)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with opened(request.param, request) as opened_api:
        yield opened_api


async def grant(api: Api, user: str, *rules: Json) -> None:
    """Give the user these rights in the namespace, and wait until they are in force."""
    await api.create("roles", role(f"of-{user}", *rules), RBAC)
    await api.create("rolebindings", binding(f"of-{user}", f"of-{user}", user), RBAC)
    attributes = {
        "namespace": api.namespace,
        "group": rules[-1]["apiGroups"][0],
        "resource": rules[-1]["resources"][0],
        "verb": rules[-1]["verbs"][-1],
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }

    async def allowed() -> bool:
        with api.impersonating(user):
            path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
            return bool((await api.call("POST", path, review))["status"]["allowed"])

    await api.until(allowed)


async def test_rbac_allows_what_roles_grant(api: Api) -> None:
    await grant(api, "dev", READ_PODS)
    with api.impersonating("dev"):
        assert (await api.call("GET", api.path("pods")))["kind"] == "PodList"
        refused = await api.create("configmaps", config_map("settings"))
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert refused["message"] == (
        'configmaps is forbidden: User "dev" cannot create resource "configmaps" in API group "" '
        f'in the namespace "{api.namespace}"'
    )


async def test_role_cannot_grant_missing_rights(api: Api) -> None:
    await grant(api, "dev", READ_PODS, WRITE_ROLES)
    more = {"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get", "delete"]}
    with api.impersonating("dev"):
        assert (await api.create("roles", role("reader", READ_PODS), RBAC))["kind"] == "Role"
        refused = await api.create("roles", role("writer", more), RBAC)
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert refused["message"] == (
        'roles.rbac.authorization.k8s.io "writer" is forbidden: user "dev" (groups=["system:authenticated"]) '
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}'
    )


async def test_role_change_cannot_add_rights(api: Api) -> None:
    await grant(api, "dev", READ_PODS, WRITE_ROLES)
    await api.create("roles", role("reader", READ_PODS), RBAC)
    path = api.path("roles", "reader", RBAC)
    wider = {"rules": [{**READ_PODS, "verbs": ["*"]}]}
    with api.impersonating("dev"):
        labelled = await api.call("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, MERGE)
        refused = await api.call("PATCH", path, wider, MERGE)
    assert labelled["metadata"]["labels"] == {"a": "b"}
    assert refused["message"].endswith(
        'not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["*"]}'
    )


async def test_escalate_verb_lifts_the_check(api: Api) -> None:
    await grant(api, "dev", {**WRITE_ROLES, "verbs": ["create", "escalate"]})
    with api.impersonating("dev"):
        assert (await api.create("roles", role("reader", READ_PODS), RBAC))["kind"] == "Role"


async def test_binding_needs_bind_or_the_rights(api: Api) -> None:
    await grant(api, "dev", WRITE_ROLES)
    await api.create("roles", role("reader", READ_PODS), RBAC)
    with api.impersonating("dev"):
        refused = await api.create("rolebindings", binding("readers", "reader", "guest"), RBAC)
    assert refused["message"] == (
        'rolebindings.rbac.authorization.k8s.io "readers" is forbidden: user "dev" '
        '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}'
    )
    bind = {**WRITE_ROLES, "resources": ["roles"], "resourceNames": ["reader"], "verbs": ["bind"]}
    await api.create("roles", role("binder", bind), RBAC)
    await api.create("rolebindings", binding("binders", "binder", "dev"), RBAC)

    async def bound() -> bool:
        with api.impersonating("dev"):
            body = binding("readers", "reader", "guest")
            return (await api.create("rolebindings", body, RBAC))["kind"] == "RoleBinding"

    await api.until(bound)


async def test_binding_to_an_unknown_role_is_refused(api: Api) -> None:
    await grant(api, "dev", WRITE_ROLES)
    with api.impersonating("dev"):
        refused = await api.create("rolebindings", binding("readers", "reader", "guest"), RBAC)
    assert (refused["code"], refused["message"]) == (
        404,
        'rolebindings.rbac.authorization.k8s.io "reader" not found',
    )
