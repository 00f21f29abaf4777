"""The objects in deploy/: valid for Kubernetes, consistent with the settings, and not public."""

from __future__ import annotations

import copy
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bot.cluster.rights import CLUSTER_RIGHTS, ENVIRONMENT_RIGHTS, STORE_RIGHTS, Right
from bot.server import DRAIN_SECONDS
from bot.settings import Settings, variable
from tests.unit.deploy.manifests import DEPLOY, objects, settings, single

_FOLDERS = ("base", "postgresql", "remote")
_MANIFESTS = [item for folder in _FOLDERS for item in objects(folder) if item["kind"] != "HTTPRoute"]
_SECRETS = {"GREENROOM_GITHUB_PRIVATE_KEY", "GREENROOM_WEBHOOK_SECRET"}


@pytest.mark.parametrize("manifest", _MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_objects_match_the_kubernetes_schema(manifest: dict[str, Any]) -> None:
    complete = copy.deepcopy(manifest)
    if complete["kind"] == "Deployment":
        # The kustomization adds both.
        labels = {"app.kubernetes.io/name": "greenroom"}
        complete["spec"]["selector"] = {"matchLabels": labels}
        complete["spec"]["template"]["metadata"] = {"labels": labels}
    kubernetes_validate.validate(complete, "1.37", strict=True)


def test_kustomizations_list_all_files() -> None:
    for folder in _FOLDERS:
        kustomization = yaml.safe_load((DEPLOY / folder / "kustomization.yaml").read_text())
        patches = [patch["path"] for patch in kustomization.get("patches", []) if "path" in patch]
        named = {name for name in [*kustomization["resources"], *patches] if name.endswith(".yaml")}
        assert named | {"kustomization.yaml"} == {file.name for file in (DEPLOY / folder).iterdir()}


def test_remote_cluster_gets_the_account_without_the_bot() -> None:
    kustomization = yaml.safe_load((DEPLOY / "remote" / "kustomization.yaml").read_text())
    assert "../base" in kustomization["resources"]
    deleted = set()
    for entry in kustomization["patches"]:
        patch = yaml.safe_load(entry["patch"])
        assert patch["$patch"] == "delete"
        deleted.add((patch["apiVersion"], patch["kind"], patch["metadata"]["name"]))
    kept = {"Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    kept |= {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    others = {
        (item["apiVersion"], item["kind"], item["metadata"]["name"])
        for item in objects("base")
        if item["kind"] not in kept
    }
    assert deleted == others | {("v1", "ConfigMap", "greenroom-settings")}
    token = single("Secret", "remote")
    account = single("ServiceAccount")["metadata"]["name"]
    assert token["metadata"]["annotations"] == {"kubernetes.io/service-account.name": account}


def test_settings_and_secret_are_complete() -> None:
    required = {variable(name) for name, field in Settings.model_fields.items() if field.is_required()}
    assert set(settings()) | _SECRETS == required


@pytest.mark.parametrize("name", ["greenroom", "greenroom-waker"])
def test_routes_of_the_bot_use_the_gateway(name: str) -> None:
    (parent,) = single("HTTPRoute", name=name)["spec"]["parentRefs"]
    assert f"{parent['namespace']}/{parent['name']}" == settings()["GREENROOM_GATEWAY"]


def test_hosts_of_the_routes_are_those_of_the_settings() -> None:
    (own,) = single("HTTPRoute", name="greenroom")["spec"]["hostnames"]
    (waker,) = single("HTTPRoute", name="greenroom-waker")["spec"]["hostnames"]
    (remote,) = single("HTTPRoute", "remote")["spec"]["hostnames"]
    assert settings()["GREENROOM_PUBLIC_URL"] == f"https://{own}"
    assert waker == remote == f"*.{settings()['GREENROOM_BASE_DOMAIN']}"


def test_gateway_reaches_the_port_for_sleeping_previews_and_no_other_one() -> None:
    (container,) = single("Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    (variable,) = [item for item in container["env"] if item["name"] == "GREENROOM_WAKER_PORT"]
    assert int(variable["value"]) == ports["waker"] != ports["http"]
    (rule,) = single("HTTPRoute", name="greenroom-waker")["spec"]["rules"]
    (backend,) = rule["backendRefs"]
    services = {port["port"]: port["targetPort"] for port in single("Service")["spec"]["ports"]}
    assert (backend["name"], services[backend["port"]]) == ("greenroom", "waker")
    (ingress,) = single("NetworkPolicy")["spec"]["ingress"]
    assert ingress == {"ports": [{"port": "http"}, {"port": "waker"}]}


def test_another_cluster_redirects_to_the_public_url() -> None:
    (rule,) = single("HTTPRoute", "remote")["spec"]["rules"]
    (redirect,) = rule["filters"]
    target = redirect["requestRedirect"]
    path = target["path"]["replaceFullPath"]
    assert f"{target['scheme']}://{target['hostname']}{path}" == f"{settings()['GREENROOM_PUBLIC_URL']}/"


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        ("greenroom", CLUSTER_RIGHTS),
        ("greenroom-environment", ENVIRONMENT_RIGHTS),
        ("greenroom-store", STORE_RIGHTS),
    ],
)
def test_roles_grant_exactly_the_required_rights(role: str, rights: frozenset[Right]) -> None:
    (rules,) = (
        item["rules"]
        for item in objects("base")
        if item["kind"] in ("ClusterRole", "Role") and item["metadata"]["name"] == role
    )
    granted = [
        Right(group, resource, verb, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    ]
    assert sorted(granted) == sorted(rights)


def test_policy_confines_the_account_and_app_of_the_deployment() -> None:
    spec = single("ValidatingAdmissionPolicy")["spec"]
    account = single("ServiceAccount")["metadata"]["name"]
    namespace = yaml.safe_load((DEPLOY / "base" / "kustomization.yaml").read_text())["namespace"]
    condition, *_ = spec["matchConditions"]
    assert condition["expression"].endswith(f'"system:serviceaccount:{namespace}:{account}"')
    # docs/running.md patches the first variable.
    app, *_ = spec["variables"]
    assert app == {"name": "app", "expression": f'"{settings()["GREENROOM_GITHUB_APP_ID"]}"'}
    assert spec["failurePolicy"] == "Fail"
    assert single("ValidatingAdmissionPolicyBinding")["spec"] == {
        "policyName": single("ValidatingAdmissionPolicy")["metadata"]["name"],
        "validationActions": ["Deny"],
    }


def test_grace_period_covers_draining() -> None:
    pod = single("Deployment")["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= pause + DRAIN_SECONDS + 5


def test_sqlite_deployment_recreates_its_pod() -> None:
    spec = single("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_image_user_matches_the_pod() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    user = single("Deployment")["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"--uid {user} " in dockerfile
    assert f"USER {user}:{user}" in dockerfile


def test_image_installs_only_locked_packages() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    installs = re.findall(r"\bpip (?:--python \S+ )?(?:install|wheel) ([^&\n]*)", dockerfile)
    assert len(installs) == 4
    assert all("--require-hashes" in item or "--no-deps" in item for item in installs)
    assert "--no-build-isolation" in installs[2], "otherwise pip fetches what it builds with, unlocked"
    locked = (DEPLOY.parent / "requirements" / "dev.txt").read_text()
    assert re.search(r"^setuptools==", locked, re.MULTILINE), "the image builds with the locked setuptools"
