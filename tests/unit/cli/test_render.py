"""`greenroom render` in a repository's own CI: the objects, or the refusals with file and line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.embedded.samples import Files, helm_shop_files, kustomize_shop_files, shop_files
from tests.unit.cli.test_cli import greenroom

DIGEST = "sha256:" + "a" * 64


def checkout(folder: Path, files: Files) -> str:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return str(folder)


def render(folder: str, *arguments: str, **environment: str) -> Any:
    return greenroom("render", folder, "--environment", "preview", *arguments, **environment)


def test_it_prints_what_would_be_applied_and_what_it_cannot_know(tmp_path: Path) -> None:
    done = render(checkout(tmp_path / "shop", shop_files()))
    assert (done.returncode, done.stderr) == (0, "")
    assert "# The digest of shop is a placeholder; --image shop=sha256:… tells the real one.\n" in done.stdout
    objects = [each for each in yaml.safe_load_all(done.stdout) if each]
    kinds = [each["kind"] for each in objects]
    assert kinds[0] == "ConfigMap"
    assert kinds[-2:] == ["HTTPRoute", "Job"]
    assert {each["metadata"]["namespace"] for each in objects} == {"gr-shop-0-pr-0"}
    assert "&id" not in done.stdout


def test_a_known_digest_stands_in_it_and_a_script_gets_json(tmp_path: Path) -> None:
    done = render(checkout(tmp_path / "shop", shop_files()), "--image", f"shop={DIGEST}", "--json")
    told = json.loads(done.stdout)
    [shop] = [each for each in told["waves"]["workloads"] if each["kind"] == "Deployment"]
    assert shop["spec"]["template"]["spec"]["containers"][0]["image"] == f"ghcr.io/acme/shop@{DIGEST}"
    assert told["checks"].keys() == {"smoke"}
    assert told["notes"] == ["Namespace, host, gateway, commit and pull request are placeholders."]


def test_a_refusal_names_file_and_line(tmp_path: Path) -> None:
    files = shop_files()
    files["deploy/catalogue.yaml"] = files["deploy/catalogue.yaml"].replace(
        b"emptyDir: {}", b"hostPath: {path: /}"
    )
    done = render(checkout(tmp_path, files))
    assert (done.returncode, done.stdout) == (1, "")
    assert "deploy/catalogue.yaml:54, StatefulSet/catalogue, spec.template.spec.volumes[0]" in done.stderr
    assert "a pod must not mount files of its node" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_configuration_names_line_and_field(tmp_path: Path) -> None:
    done = render(checkout(tmp_path, {**shop_files(), ".greenroom.yml": b"version: 1\ncolour: blue\n"}))
    assert done.returncode == 1
    assert ".greenroom.yml, line 2, colour: unknown field" in done.stderr


def test_links_are_no_part_of_it(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "shop", shop_files())
    secret = tmp_path / "secret.yaml"
    secret.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: stolen}}")
    (tmp_path / "shop/deploy/link.yaml").symlink_to(secret)
    assert "stolen" not in render(folder).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--image", "shop=latest"), "it has to be NAME=sha256:"),
        (("--image", f"shoe={DIGEST}"), ".greenroom.yml has no image shoe"),
        (("--environment", "production"), "preview"),
        (("--colour",), "--colour"),
    ],
)
def test_a_mistake_in_the_call_ends_with_2(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = render(checkout(tmp_path, shop_files()), *arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_a_folder_that_is_no_checkout_ends_with_2(tmp_path: Path) -> None:
    assert render(str(tmp_path / "absent")).returncode == 2
    done = render(str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == f"There is no .greenroom.yml in {tmp_path}.\n"


def test_what_a_tool_says_is_told(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    folder = checkout(tmp_path / "shop", helm_shop_files())
    missing = render(folder, PATH=str(tools))
    assert missing.returncode == 1
    assert "The manifests need Helm" in missing.stderr
    (tools / "helm").write_text(f"#!{sys.executable}\nraise SystemExit('no such value: colour')\n")
    (tools / "helm").chmod(0o755)
    failed = render(folder, PATH=str(tools))
    assert failed.returncode == 1
    assert failed.stderr == "`helm template` failed.\nno such value: colour\n"


@pytest.mark.tools
@pytest.mark.usefixtures("real_tools")
@pytest.mark.parametrize("files", [kustomize_shop_files, helm_shop_files], ids=["kustomize", "helm"])
def test_the_samples_render_with_the_tools_themselves(files: Any, tmp_path: Path) -> None:
    done = render(checkout(tmp_path / "shop", files()), PATH=os.environ["PATH"])
    assert done.returncode == 0, done.stderr
    assert "kind: StatefulSet" in done.stdout
