"""`greenroom render`: prints objects, or rejections with file and line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.embedded.samples import Files, helm_shop_files, kustomize_shop_files, shop_files
from tests.unit.cli.runner import greenroom
from tests.unit.cluster.manifests import deployment

DIGEST = "sha256:" + "a" * 64

_SUMMARY = (
    "9 objects\nrequested: cpu=150m,memory=192Mi,storage=1024Mi,pods=3\n"
    "available: cpu=4,memory=8Gi,storage=20Gi,pods=40\n"
)
_MORE = b"{apiVersion: v1, kind: ConfigMap, metadata: {name: more}}"


def checkout(folder: Path, files: Files) -> str:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return str(folder)


def render(folder: str, *arguments: str, **environment: str) -> Any:
    return greenroom("render", folder, "--environment", "preview", *arguments, **environment)


def test_prints_objects_and_notes_placeholders(tmp_path: Path) -> None:
    result = render(checkout(tmp_path / "shop", shop_files()))
    assert (result.exit_code, result.stderr) == (0, _SUMMARY)
    assert "# The digest of shop is a placeholder; set it with --image shop=sha256:…\n" in result.stdout
    objects = [document for document in yaml.safe_load_all(result.stdout) if document]
    kinds = [document["kind"] for document in objects]
    assert kinds[0] == "ConfigMap"
    assert kinds[-2:] == ["HTTPRoute", "Job"]
    assert {document["metadata"]["namespace"] for document in objects} == {"gr-shop-0-pr-0"}
    assert "&id" not in result.stdout


def test_prints_json_with_the_given_digest(tmp_path: Path) -> None:
    result = render(checkout(tmp_path / "shop", shop_files()), "--image", f"shop={DIGEST}", "--json")
    output = json.loads(result.stdout)
    [shop] = [workload for workload in output["waves"]["workloads"] if workload["kind"] == "Deployment"]
    assert shop["spec"]["template"]["spec"]["containers"][0]["image"] == f"ghcr.io/acme/shop@{DIGEST}"
    assert output["checks"].keys() == {"smoke"}
    assert output["notes"] == ["Namespace, host, gateway, commit and pull request are placeholders."]


def test_rejected_object_names_file_and_line(tmp_path: Path) -> None:
    files = shop_files()
    files["deploy/catalogue.yaml"] = files["deploy/catalogue.yaml"].replace(
        b"emptyDir: {}", b"hostPath: {path: /}"
    )
    result = render(checkout(tmp_path, files))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "deploy/catalogue.yaml:54, StatefulSet/catalogue, spec.template.spec.volumes[0]" in result.stderr
    assert "a pod must not mount files of its node" in result.stderr


def test_removed_fields_are_notes(tmp_path: Path) -> None:
    files = shop_files()
    files["deploy/extra.yaml"] = (
        b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n"
        b'  annotations: {"example.com/a\\rkind: Secret": x}\n'
    )
    result = render(checkout(tmp_path, files))
    note = (
        '# Left out `metadata.annotations["example.com/a kind: Secret"]` in `ConfigMap/extra`: other '
        "controllers may act on it; the operator can allow it with `GREENROOM_ALLOWED_ANNOTATIONS`.\n"
    )
    assert note in result.stdout
    assert "Secret" not in {document["kind"] for document in yaml.safe_load_all(result.stdout) if document}


def test_settings_of_the_operator_apply(tmp_path: Path) -> None:
    files = shop_files()
    files["deploy/extra.yaml"] = (
        b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n"
        b"  annotations: {example.com/team: shop}\n"
    )
    folder = checkout(tmp_path, files)
    result = render(
        folder,
        GREENROOM_ALLOWED_ANNOTATIONS="example.com/team",
        GREENROOM_BASE_DOMAIN="preview.acme.dev",
        GREENROOM_GATEWAY="edge/shared",
        GREENROOM_GITHUB_PRIVATE_KEY="/absent/on/this/machine.pem",
    )
    assert result.exit_code == 0, result.stderr
    assert "example.com/team: shop" in result.stdout
    [route] = [
        document
        for document in yaml.safe_load_all(result.stdout)
        if document and document["kind"] == "HTTPRoute"
    ]
    [parent] = route["spec"]["parentRefs"]
    assert (parent["namespace"], parent["name"]) == ("edge", "shared")
    assert route["spec"]["hostnames"][0].endswith(".preview.acme.dev")


def test_hosts_of_the_operator_can_be_fetched_from(tmp_path: Path) -> None:
    files = {
        **kustomize_shop_files(),
        "deploy/preview/kustomization.yaml": b"resources: [https://bases.acme.dev/base.yaml]\n",
    }
    folder = checkout(tmp_path, files)
    assert "bases.acme.dev" in (refused := render(folder)).stderr
    fetched = render(folder, GREENROOM_RENDER_HOSTS="bases.acme.dev", PATH=str(tmp_path))
    assert refused.exit_code == fetched.exit_code == 1
    assert "The manifests require Kustomize" in fetched.stderr


def test_invalid_settings_exit_with_2(tmp_path: Path) -> None:
    folder = checkout(tmp_path, shop_files())
    result = render(folder, GREENROOM_ALLOWED_FIELDS="PodSpec.nodeSelecter")
    assert result.exit_code == 2
    assert "did you mean PodSpec.nodeSelector?" in result.stderr


def test_summary_counts_what_changed(tmp_path: Path) -> None:
    beside = {
        "deploy/values.yaml": b"a: b",
        "deploy/ns.yaml": b"{apiVersion: v1, kind: Namespace, metadata: {name: n}}",
    }
    result = render(checkout(tmp_path / "shop", {**shop_files(), **beside}))
    assert result.stderr == _SUMMARY.replace(
        "objects", "objects\nnotes: 2 left out; the output begins with them"
    )


def test_summary_names_what_is_missing(tmp_path: Path) -> None:
    worker = deployment("worker", volumes=[{"name": "a", "secret": {"secretName": "tls"}}])
    beside = {"deploy/worker.yaml": yaml.safe_dump(worker).encode()}
    result = render(checkout(tmp_path / "shop", {**shop_files(), **beside}))
    assert "\nMissing `Secret/tls`" in result.stderr
    assert "Missing `Secret/tls`" in result.stdout


def test_renders_stages_and_demos(tmp_path: Path) -> None:
    files = shop_files()
    production = b"    namespace: shop-production\n    config: {COLOUR: blue}\n"
    files[".greenroom.yml"] += production + b"demo: {sales: {}}\n"
    folder = checkout(tmp_path / "shop", files)
    stage = greenroom("render", folder, "--environment", "production").stdout
    assert ("namespace: shop-production" in stage, "COLOUR: blue" in stage) == (True, True)
    sales = greenroom("render", folder, "--environment", "sales").stdout
    assert ("greenroom.dev/environment: demo" in sales, "COLOUR: blue" in sales) == (True, False)


def test_all_mistakes_are_printed(tmp_path: Path) -> None:
    spec = ", ".join(f"field{number}: 1" for number in range(15))
    mistakes = f"{{apiVersion: v1, kind: Service, metadata: {{name: more}}, spec: {{{spec}}}}}"
    result = render(checkout(tmp_path / "shop", {**shop_files(), "deploy/more.yaml": mistakes.encode()}))
    assert result.exit_code == 1
    assert all(f"spec.field{number}:" in result.stderr for number in range(15))


def test_invalid_configuration_names_line_and_field(tmp_path: Path) -> None:
    result = render(checkout(tmp_path, {**shop_files(), ".greenroom.yml": b"version: 1\ncolour: blue\n"}))
    assert result.exit_code == 1
    assert ".greenroom.yml, line 2, colour: unknown field" in result.stderr


def test_symbolic_links_are_followed_inside_of_the_checkout(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "shop", {**shop_files(), "common/more.yaml": _MORE})
    (tmp_path / "shop/deploy/more").symlink_to("../common")
    assert "name: more" in render(folder).stdout


def test_symbolic_links_out_of_the_checkout_are_refused(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "shop", shop_files())
    secret = tmp_path / "secret.yaml"
    secret.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: stolen}}")
    (tmp_path / "shop/deploy/link.yaml").symlink_to(secret)
    result = render(folder)
    assert result.exit_code == 1
    assert "stolen" not in result.stdout
    assert f"deploy/link.yaml is a symbolic link to {secret}, which is outside" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--image", "shop=latest"), "expected NAME=sha256:"),
        (("--image", f"shoe={DIGEST}"), ".greenroom.yml has no image shoe"),
        (("--environment", "nowhere"), "expected one of preview, integration"),
        (("--colour",), "--colour"),
    ],
)
def test_usage_errors_exit_with_2(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = render(checkout(tmp_path, shop_files()), *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_folder_without_configuration_exits_with_2(tmp_path: Path) -> None:
    assert render(str(tmp_path / "absent")).exit_code == 2
    result = render(str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path} has no .greenroom.yml.\n"


def test_tool_errors_are_reported(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    folder = checkout(tmp_path / "shop", helm_shop_files())
    missing = render(folder, PATH=str(tools))
    assert missing.exit_code == 1
    assert "The manifests require Helm" in missing.stderr
    (tools / "helm").write_text(f"#!{sys.executable}\nraise SystemExit('no such value: colour')\n")
    (tools / "helm").chmod(0o755)
    failed = render(folder, PATH=str(tools))
    assert failed.exit_code == 1
    assert failed.stderr == "`helm template` failed.\nno such value: colour\n"


@pytest.mark.tools
@pytest.mark.usefixtures("real_tools")
@pytest.mark.parametrize("files", [kustomize_shop_files, helm_shop_files], ids=["kustomize", "helm"])
def test_samples_render_with_real_tools(files: Any, tmp_path: Path) -> None:
    result = render(checkout(tmp_path / "shop", files()), PATH=os.environ["PATH"])
    assert result.exit_code == 0, result.stderr
    assert "kind: StatefulSet" in result.stdout


def test_size_above_that_of_the_environment_is_refused(tmp_path: Path) -> None:
    files = shop_files()
    text = files[".greenroom.yml"]
    files[".greenroom.yml"] = text.replace(b"\npreview:\n", b"\npreview:\n  size: {cpu: 100m}\n")
    result = render(checkout(tmp_path / "shop", files))
    assert result.exit_code == 1
    assert "150m of cpu (of 100m)" in result.stderr
    small = render(checkout(tmp_path / "other", shop_files()), GREENROOM_DEFAULT_SIZE="pods=1")
    assert (small.exit_code, "3 of pods (of 1)" in small.stderr) == (1, True)
