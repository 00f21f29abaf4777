"""Checks of kustomizations before Kustomize reads them, and origins of built objects."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bot.cluster.render import kustomize
from bot.model.errors import ManifestRefused

SERVICE = b"# ours\napiVersion: v1\nkind: Service\nmetadata:\n  name: shop\nspec:\n  ports: [{port: 80}]\n"
BASE = {"deploy/base/kustomization.yaml": b"resources: [shop.yaml]\n", "deploy/base/shop.yaml": SERVICE}


def overlay(text: str, **more: bytes) -> dict[str, bytes]:
    files = {**BASE, "deploy/preview/kustomization.yaml": text.encode()}
    return files | {f"deploy/preview/{name}": content for name, content in more.items()}


def refusal(files: dict[str, bytes], *hosts: str) -> str:
    with pytest.raises(ManifestRefused) as caught:
        kustomize.plan(files, "deploy/preview", hosts)
    return str(caught.value)


def test_plan_contains_only_referenced_folders() -> None:
    files = overlay("resources: [../base]\n", settings=b"A=1") | {"secret.txt": b"", "deploy/other.yaml": b""}
    plan = kustomize.plan(files, "deploy/preview", ())
    assert plan.files(files).keys() == files.keys() - {"secret.txt", "deploy/other.yaml"}
    assert not plan.online


def test_plan_of_the_root_contains_all_files() -> None:
    files = {"kustomization.yml": b"resources: [a.yaml]", "a.yaml": SERVICE, "b.txt": b""}
    assert kustomize.plan(files, "", ()).files(files) == files


def test_plan_follows_circular_references() -> None:
    """Kustomize reports the cycle; the plan must terminate."""
    files = overlay("resources: [../base]\n")
    files["deploy/base/kustomization.yaml"] = b"resources: [../preview]\n"
    assert kustomize.plan(files, "deploy/preview", ()).folders == {"deploy/preview", "deploy/base"}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("resources:\n- ../base\n- {}", "kustomization.yaml:3, resources.1"),
        ("bases: [{}]", "kustomization.yaml:1, bases.0"),
        ("components: [{}]", "components.0"),
        ("crds: [{}]", "crds.0"),
        ("configurations: [{}]", "configurations.0"),
        ("generators: [{}]", "generators.0"),
        ("transformers: [{}]", "transformers.0"),
        ("validators: [{}]", "validators.0"),
        ("patchesStrategicMerge: [{}]", "patchesStrategicMerge.0"),
        ("patches:\n- path: {}", "kustomization.yaml:2, patches.0.path"),
        ("patchesJson6902: [{{path: {}}}]", "patchesJson6902.0.path"),
        ("replacements: [{{path: {}}}]", "replacements.0.path"),
        ("openapi: {{path: {}}}", "openapi.path"),
        ("configMapGenerator: [{{name: a, files: ['key={}']}}]", "configMapGenerator.0.files.0"),
        ("secretGenerator: [{{name: a, envs: [{}]}}]", "secretGenerator.0.envs.0"),
        ("secretGenerator: [{{name: a, env: {}}}]", "secretGenerator.0.env"),
    ],
)
def test_plan_rejects_remote_references(text: str, field: str) -> None:
    for remote, expected in (
        ("https://evil.example.com/x.yaml", "evil.example.com"),
        ("git@evil.example.com:a/b", "evil.example.com"),
        ("github.com/evil/evil", "github.com"),
    ):
        message = refusal(overlay(text.format(remote)))
        assert message.startswith("deploy/preview/kustomization.yaml:")
        assert field in message
        assert f"fetched from {expected}, which the operator does not allow" in message
        assert kustomize.plan(overlay(text.format(remote)), "deploy/preview", (expected,)).online


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("resources: [../../../etc]", "is outside of the repository"),
        ("resources: [/etc/passwd]", "use a relative path"),
        ("resources: [absent.yaml]", "`deploy/preview/absent.yaml` does not exist in this commit"),
        ("resources: ['file:///etc']", "only paths inside the repository"),
        ("helmCharts: [{name: x}]", "not allowed to run Helm"),
        ("helmChartInflationGenerator: []", "not allowed to run Helm"),
        ("generators: ['{apiVersion: builtin, kind: HelmChartInflationGenerator}']", "allowed to run Helm"),
        ("transformers: [plugin.yaml]", "evil.example.com"),
        ("- resources", "expected a mapping"),
        ("resources: [a, b", "kustomization.yaml:"),
        ("a: &a [x, x]\nb: &b [*a, *a]\n" + "resources: *c", "undefined anchor 'c'"),
    ],
)
def test_plan_rejects_outside_paths_and_programs(text: str, reason: str) -> None:
    plugin = b"apiVersion: builtin\nkind: PatchTransformer\npath: https://evil.example.com/x"
    assert reason in refusal(overlay(text, **{"plugin.yaml": plugin}))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Resources: ['https://evil.example.com/x']", "Resources: write `resources`"),
        ("re\u017fources: ['https://evil.example.com/x']", "write `resources`"),
        ("HelmCharts: [{name: x}]", "write `helmCharts`"),
        ("patches: [{Path: 'https://evil.example.com/x'}]", "patches.0.Path: write `path`"),
        ("configMapGenerator: [{name: a, FILES: ['https://evil.example.com/x']}]", "write `files`"),
        ("openapi: {PATH: 'https://evil.example.com/x'}", "write `path`"),
    ],
)
def test_plan_rejects_fields_in_another_case(text: str, field: str) -> None:
    """Go's JSON takes it as the field itself, some letters of other alphabets included."""
    assert field in refusal(overlay(text))


@pytest.mark.parametrize(
    "inline",
    [
        "- {apiVersion: builtin, kind: PatchTransformer, Path: 'https://evil.example.com/x'}\n",
        "kind: List\napiVersion: v1\nitems: [{apiVersion: builtin, kind: A, path: 'https://evil.example.com'}]\n",
    ],
)
def test_plan_checks_builtins_in_lists(inline: str) -> None:
    assert "evil.example.com" in refusal(overlay(yaml.safe_dump({"transformers": [inline]})))
    assert "evil.example.com" in refusal(overlay("transformers: [a.yaml]", **{"a.yaml": inline.encode()}))


def test_plan_accepts_urls_as_values() -> None:
    text = """
resources: [../base]
configMapGenerator: [{name: a, literals: ["URL=https://example.com"]}]
commonAnnotations: {docs: "https://example.com", Path: "https://example.com"}
patches: [{patch: "- {op: add, path: /metadata/annotations/a, value: https://example.com}"}]
transformers:
- |
  apiVersion: builtin
  kind: AnnotationsTransformer
  annotations: {docs: https://example.com}
"""
    assert not kustomize.plan(overlay(text), "deploy/preview", ()).online


def test_plan_rejects_folder_without_kustomization() -> None:
    assert refusal({"deploy/preview/a.yaml": b""}) == (
        "No kustomization.yaml in `deploy/preview` of this commit."
    )


def test_sources_have_file_and_lines_of_origin() -> None:
    built = yaml.safe_load(SERVICE)
    built["metadata"] |= {
        "name": "preview-shop",
        "annotations": {"config.kubernetes.io/origin": "path: ../commit/deploy/base/shop.yaml\n"},
    }
    built["spec"]["type"] = "NodePort"
    [source] = kustomize.sources(yaml.safe_dump(built).encode(), overlay(""), "deploy/preview")
    assert "annotations" not in source.manifest["metadata"]
    assert source.where(("spec", "ports")) == "deploy/base/shop.yaml:7 (as rendered by Kustomize)"
    assert source.where(("spec", "type")) == "deploy/base/shop.yaml:6 (as rendered by Kustomize)"


def test_generated_sources_have_their_kustomization() -> None:
    built: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a-5g"}}
    for note, file in (
        ("configuredIn: ../commit/deploy/base/kustomization.yaml", "deploy/base/kustomization.yaml"),
        ("path: a.yaml\nrepo: https://example.com/a", "https://example.com/a/a.yaml"),
        ("[what", "deploy/preview/kustomization.yaml"),
        (None, "deploy/preview/kustomization.yaml"),
    ):
        built["metadata"]["annotations"] = {"own": "1"} | (
            {"config.kubernetes.io/origin": note} if note else {}
        )
        [source] = kustomize.sources(yaml.safe_dump(built).encode(), overlay(""), "deploy/preview")
        assert source.file == file
        assert source.manifest["metadata"]["annotations"] == {"own": "1"}


@pytest.mark.parametrize(
    ("reference", "fixed"),
    [
        ("https://github.com/acme/base//deploy?ref=v1.4.2", True),
        ("https://github.com/acme/base//deploy?timeout=90s&ref=" + "a" * 40, True),
        ("github.com/acme/base//deploy?ref=main", False),
        ("github.com/acme/v1.0//deploy?ref=main", False),
        ("github.com/acme/base//deploy", False),
        ("https://raw.githubusercontent.com/acme/base/1.2.0-rc.1/all.yaml", True),
        ("https://raw.githubusercontent.com/acme/base/release-1.2/all.yaml", False),
        ("git@github.com:acme/base.git?version=2.0", True),
    ],
)
def test_bases_that_can_change_have_a_note(reference: str, fixed: bool) -> None:
    files = overlay(f"resources:\n- ../base\n- {reference}\n")
    plan = kustomize.plan(files, "deploy/preview", ("github.com", "raw.githubusercontent.com"))
    assert plan.online
    notes = [(note.object, note.field) for note in plan.notes]
    assert notes == ([] if fixed else [("deploy/preview/kustomization.yaml", "resources.1")])
