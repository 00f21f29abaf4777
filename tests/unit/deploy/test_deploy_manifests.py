"""What an operator applies is what Kubernetes takes, fits the settings, and opens nothing to the world."""

from __future__ import annotations

import copy
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bot.cluster.client.access import RIGHTS
from bot.server import DRAIN_SECONDS
from bot.settings import Settings, variable
from tests.unit.deploy.manifests import DEPLOY, objects, one, settings

_EVERY = [
    each for folder in ("base", "postgresql") for each in objects(folder) if each["kind"] != "HTTPRoute"
]
_SECRETS = {"GREENROOM_GITHUB_PRIVATE_KEY", "GREENROOM_WEBHOOK_SECRET"}


@pytest.mark.parametrize("found", _EVERY, ids=lambda found: found["kind"])
def test_every_object_is_as_kubernetes_describes_it(found: dict[str, Any]) -> None:
    complete = copy.deepcopy(found)
    if complete["kind"] == "Deployment":
        # The kustomization adds both.
        labels = {"app.kubernetes.io/name": "greenroom"}
        complete["spec"]["selector"] = {"matchLabels": labels}
        complete["spec"]["template"]["metadata"] = {"labels": labels}
    kubernetes_validate.validate(complete, "1.37", strict=True)


def test_every_file_is_named_by_its_kustomization() -> None:
    for folder in ("base", "postgresql"):
        kustomization = yaml.safe_load((DEPLOY / folder / "kustomization.yaml").read_text())
        patches = [patch["path"] for patch in kustomization.get("patches", [])]
        named = {name for name in [*kustomization["resources"], *patches] if name.endswith(".yaml")}
        assert named | {"kustomization.yaml"} == {file.name for file in (DEPLOY / folder).iterdir()}


def test_settings_and_secret_together_are_all_that_the_bot_needs() -> None:
    required = {variable(name) for name, field in Settings.model_fields.items() if field.is_required()}
    assert set(settings()) | _SECRETS == required


def test_the_same_gateway_carries_the_bots_own_route() -> None:
    (parent,) = one("HTTPRoute")["spec"]["parentRefs"]
    assert f"{parent['namespace']}/{parent['name']}" == settings()["GREENROOM_GATEWAY"]
    assert settings()["GREENROOM_PUBLIC_URL"] == f"https://{one('HTTPRoute')['spec']['hostnames'][0]}"


def test_the_webhook_and_the_pages_are_open_to_the_world_and_nothing_else() -> None:
    (rule,) = one("HTTPRoute")["spec"]["rules"]
    exact = {match["path"]["value"] for match in rule["matches"] if match["path"]["type"] == "Exact"}
    below = {match["path"]["value"] for match in rule["matches"] if match["path"]["type"] == "PathPrefix"}
    assert exact == {"/webhooks", "/", "/sign-out"}
    assert below == {"/environments", "/sign-in", "/static"}


def test_the_role_grants_what_the_bot_uses_and_nothing_more() -> None:
    rules = one("ClusterRole")["rules"]
    granted = [
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    assert sorted(granted) == sorted(
        (right.group, right.resource, verb) for right in RIGHTS for verb in right.verbs
    )


def test_the_pod_has_time_to_drain() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= pause + DRAIN_SECONDS + 5


def test_two_processes_never_share_the_sqlite_file() -> None:
    spec = one("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_image_runs_as_the_user_that_the_pod_asks_for() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    user = one("Deployment")["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"--uid {user} " in dockerfile
    assert f"USER {user}:{user}" in dockerfile


def test_the_image_installs_only_what_is_locked() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    installs = re.findall(r"\bpip (?:install|wheel) ([^&\n]*)", dockerfile)
    assert len(installs) == 4
    assert all("--require-hashes" in each or "--no-deps" in each for each in installs)
    assert "--no-build-isolation" in installs[2], "otherwise pip fetches what it builds with, unlocked"
    locked = (DEPLOY.parent / "requirements" / "dev.txt").read_text()
    assert re.search(r"^setuptools==", locked, re.MULTILINE), "the image builds with the locked setuptools"
