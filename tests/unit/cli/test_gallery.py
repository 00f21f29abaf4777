"""Every application of the gallery renders, as it is and with the proposal of `greenroom init`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.config.loader import CONFIG_FILE, parse_configuration
from tests.gallery import PLAIN, WITH_TOOLS, gallery_files
from tests.kubernetes import tools
from tests.unit.cli.runner import greenroom

_TOOLS = [pytest.param(name, marks=pytest.mark.tools) for name in WITH_TOOLS]
every_application = pytest.mark.parametrize("name", [*PLAIN, *_TOOLS])

EXPECTED: dict[str, dict[str, Any]] = {
    "chart": {"manifests": {"helm": {"chart": "chart"}}, "route": {"service": "chart-shop", "port": 80}},
    "custom-resources": {
        "manifests": {"plain": "deploy", "ignore": ["Topic"]},
        "route": {"service": "orders", "port": 80},
    },
    "grpc": {"routes": [{"name": "quotes", "service": "quotes", "port": 50051, "protocol": "grpc"}]},
    "monorepo": {
        "images": {
            name: {"repository": f"ghcr.io/acme/monorepo/{name}", "name": f"acme/{name}"}
            for name in ("mail", "orders", "web")
        },
        "route": {"service": "web", "port": 80},
    },
    "node-port": {"route": {"service": "frontend", "port": 80}},
    "overlays": {
        "manifests": {"kustomize": "deploy/overlays/production"},
        "route": {"service": "web", "port": 80},
    },
    "own-ingress": {"routes": "manifests"},
    "root": {"manifests": {"plain": "."}, "route": {"service": "site", "port": 80}},
    "two-front-ends": {"manifests": {"plain": "deploy"}},
    "worker": {"manifests": {"plain": "deploy"}},
}


@pytest.fixture(autouse=True)
def path_of_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tools.folder()}{os.pathsep}{os.environ['PATH']}")


def checkout(folder: Path, name: str, *without: str) -> Path:
    """The application as a clone of acme/NAME."""
    files = {path: text for path, text in gallery_files(name).items() if path not in without}
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text)
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text(f"[remote]\n\turl = git@github.com:acme/{name}.git\n")
    return folder


@every_application
def test_application_renders_as_preview_and_stage(tmp_path: Path, name: str) -> None:
    folder = checkout(tmp_path / name, name)
    for environment in ("preview", "staging"):
        result = greenroom("render", str(folder), "--environment", environment)
        assert (result.exit_code, "objects" in result.stderr) == (0, True), result.stderr


@every_application
def test_proposal_renders(tmp_path: Path, name: str) -> None:
    folder = checkout(tmp_path / name, name, CONFIG_FILE)
    result = greenroom("init", str(folder), "--yes")
    assert result.exit_code == 0, result.stderr
    text = (folder / CONFIG_FILE).read_text()
    assert "yaml-language-server" not in text
    assert yaml.safe_load(text).items() >= EXPECTED[name].items()
    assert parse_configuration(text)
    rendered = greenroom("render", str(folder), "--environment", "preview")
    assert rendered.exit_code == 0, rendered.stderr
