"""The installation of docs/running.md, built by kubectl, has the rights and the policy that the tests use."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from bot.embedded.installation import BASE, policy, rights
from tests.kubernetes import binaries

pytestmark = pytest.mark.cluster

_GUIDE = BASE.parents[1] / "docs" / "running.md"
_EXAMPLE = re.compile(r"```yaml\n(apiVersion: kustomize.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The objects of the example in the guide."""
    folder = tmp_path_factory.mktemp("installation")
    (folder / "greenroom").symlink_to(BASE.parents[1])
    [example] = _EXAMPLE.findall(_GUIDE.read_text())
    (folder / "own").mkdir()
    (folder / "own" / "kustomization.yaml").write_text(example)
    command = [str(binaries.locate() / "kubectl"), "kustomize", str(folder / "own")]
    built = subprocess.run(command, check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(built.stdout))


def find(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    [body] = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return {key: value for key, value in body.items() if key != "metadata"}


def test_guide_installs_the_tested_rights_and_policy(installed: list[dict[str, Any]]):
    for expected in (*rights(), *policy(123456)):
        kind, name = expected["kind"], expected["metadata"]["name"]
        assert find(installed, kind, name) == {k: v for k, v in expected.items() if k != "metadata"}


def test_guide_sets_the_app_everywhere(installed: list[dict[str, Any]]):
    [settings] = [item["data"] for item in installed if item["kind"] == "ConfigMap"]
    assert settings["GREENROOM_GITHUB_APP_ID"] == "123456"


def test_guide_binds_the_account_of_the_deployment(installed: list[dict[str, Any]]):
    [account] = find(installed, "ClusterRoleBinding", "greenroom")["subjects"]
    pod = find(installed, "Deployment", "greenroom")["spec"]["template"]["spec"]
    [namespace] = [item["metadata"]["namespace"] for item in installed if item["kind"] == "Deployment"]
    assert (account["name"], account["namespace"]) == (pod["serviceAccountName"], namespace)
