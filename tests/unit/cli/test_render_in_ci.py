"""The workflow of docs/manifests.md for `greenroom render` in GitHub Actions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.embedded.samples import shop_files
from bot.settings.settings import Settings
from tests.unit.project.files import ROOT

_PAGE = (ROOT / "docs" / "manifests.md").read_text()
_MATRIX = ("preview", "staging", "production")


@pytest.fixture
def job() -> dict[str, Any]:
    [text] = re.findall(r"In GitHub Actions,.*?```yaml\n(.*?)```", _PAGE, re.S)
    workflow = yaml.safe_load(text)
    assert workflow[True] == "pull_request"  # YAML 1.1 reads `on` as a boolean
    assert workflow["permissions"] == {"contents": "read"}
    return dict(workflow["jobs"]["render"])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, content in shop_files("registry.example.com").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def run(job: dict[str, Any], environment: str, checkout: Path) -> subprocess.CompletedProcess[str]:
    """Runs the step as GitHub does, with `greenroom` on the PATH as in the image."""
    step = job["steps"][-1]["run"].replace("${{ matrix.environment }}", environment)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step]
    variables = {"PATH": path, "HOME": str(checkout), **job["env"]}
    return subprocess.run(command, cwd=checkout, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("environment", _MATRIX)
def test_step_writes_the_objects_of_each_environment(
    job: dict[str, Any], checkout: Path, environment: str
) -> None:
    assert tuple(job["strategy"]["matrix"]["environment"]) == _MATRIX
    result = run(job, environment, checkout)
    assert result.returncode == 0, result.stderr
    objects = list(yaml.safe_load_all((checkout / "objects.yaml").read_text()))
    assert {"Deployment", "Service"} <= {item["kind"] for item in objects}


def test_step_fails_with_file_and_line_of_a_rejected_object(job: dict[str, Any], checkout: Path) -> None:
    [manifest] = [path for path in checkout.rglob("*.yaml") if "kind: Deployment" in path.read_text()]
    text = manifest.read_text().replace("    spec:\n", "    spec:\n      hostNetwork: true\n", 1)
    manifest.write_text(text)
    result = run(job, "preview", checkout)
    assert result.returncode == 1
    assert re.search(rf"{manifest.name}:\d+, .*hostNetwork", result.stderr), result.stderr


def test_workflow_names_settings_and_the_version_that_exist(job: dict[str, Any]) -> None:
    settings = {f"GREENROOM_{name.upper()}" for name in Settings.model_fields}
    assert job["env"].keys() <= settings
    version = yaml.safe_load((ROOT / "deploy" / "chart" / "Chart.yaml").read_text())["appVersion"]
    assert job["container"]["image"].endswith(f"/greenroom:{version}")
