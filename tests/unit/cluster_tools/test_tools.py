"""Selection of tools, their arguments, and messages of failures."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.cluster.render.folder import private_folder
from bot.cluster.render.process import Limits
from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import ToolMissing, Tools
from bot.model.errors import ManifestRefused
from bot.model.manifest import Tool, Wave
from bot.model.routing import NO_ROUTES
from tests.unit.cluster.manifests import POLICY, request

CHART = {"chart/Chart.yaml": b"name: shop\n", "chart/templates/a.yaml": b"x"}
KUSTOMIZATION = {"deploy/kustomization.yaml": b"resources: [a.yaml]\n", "deploy/a.yaml": b"a: 1\n"}
HELM = request(tool=Tool.HELM, directory="chart", files=CHART)
KUSTOMIZE = request(tool=Tool.KUSTOMIZE, directory="deploy", files=KUSTOMIZATION)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH; empty at first."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(path: Path, name: str, text: str) -> None:
    (path / name).write_text(f"#!{sys.executable}\n{text}\n")
    (path / name).chmod(0o755)


async def test_missing_tool_names_the_operator(path: Path) -> None:
    for tool_request in (HELM, KUSTOMIZE):
        with pytest.raises(ToolMissing, match=f"`{tool_request.tool}` is not on Greenroom's PATH"):
            await Tools().sources(tool_request)


async def test_kustomize_builds_the_directory_of_the_commit(path: Path) -> None:
    install(
        path,
        "kustomize",
        """import pathlib, sys
assert sys.argv[1:] == ["build", "../build", "--load-restrictor=LoadRestrictionsRootOnly"], sys.argv
assert "../commit/deploy" in pathlib.Path("../build/kustomization.yaml").read_text()
assert pathlib.Path("../commit/deploy/a.yaml").read_text() == "a: 1\\n"
print("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")""",
    )
    [source] = (await Tools().sources(KUSTOMIZE)).sources
    assert source.manifest["metadata"] == {"name": "a"}


async def test_helm_renders_the_chart_of_the_commit(path: Path) -> None:
    install(
        path,
        "helm",
        """import sys
assert sys.argv[1:4] == ["template", "shop", "../commit/chart"], sys.argv
print("---\\n# Source: shop/templates/a.yaml\\n{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")""",
    )
    [source] = (await Tools().sources(HELM)).sources
    assert source.file == "chart/templates/a.yaml"


async def test_helm_checks_no_values_with_schemas_of_other_hosts(path: Path) -> None:
    install(path, "helm", "import sys\nassert '--skip-schema-validation' in sys.argv, sys.argv")
    schema = {"chart/values.schema.json": b'{"$ref": "https://example.com/schema.json"}'}
    marked = await Tools().sources(replace(HELM, files={**CHART, **schema}))
    assert [note.object for note in marked.notes] == ["chart/values.schema.json"]
    install(path, "helm", "import sys\nassert '--skip-schema-validation' not in sys.argv, sys.argv")
    assert not (await Tools().sources(HELM)).notes


async def test_tool_errors_contain_no_temporary_paths(path: Path) -> None:
    install(path, "helm", "import os, sys; sys.exit(os.path.realpath('../commit/chart') + ': no such value')")
    with pytest.raises(ManifestRefused, match="`helm template` failed") as caught:
        await Tools().sources(HELM)
    assert caught.value.detail == "chart: no such value"


@pytest.mark.parametrize(
    ("error", "advised"),
    [
        ("values don't meet the specifications of the schema(s) in the following chart(s): a", True),
        ("execution error at (shop/templates/a.yaml:3:4): host is required", True),
        ("parse error at (shop/templates/a.yaml:3): unclosed action", False),
    ],
)
async def test_values_that_a_chart_refuses_have_advice(path: Path, error: str, advised: bool) -> None:
    install(path, "helm", f"import sys; sys.exit({error!r})")
    with pytest.raises(ManifestRefused) as caught:
        await Tools().sources(HELM)
    assert ("set them with `values` or `set` of `manifests.helm`" in str(caught.value)) is advised
    assert caught.value.detail == error


async def test_tool_timeout_is_reported(path: Path) -> None:
    install(path, "helm", "import time; time.sleep(600)")
    with pytest.raises(ManifestRefused, match="`helm template` did not finish within 1 s"):
        await Tools(limits=Limits(seconds=1)).sources(HELM)


async def test_too_many_objects_are_refused(path: Path) -> None:
    install(
        path,
        "helm",
        """for n in range(10_000):
    print(f"---\\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{n}}}}}")""",
    )
    with pytest.raises(ManifestRefused, match="more than 300 objects"):
        await Tools().sources(HELM)


async def test_private_folder_is_private_and_removed() -> None:
    async with private_folder({"a/b.yaml": b"x"}) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "commit/a/b.yaml").read_bytes() == b"x"
    assert not folder.exists()


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "a//x", "a/./x", "x\0", "x" * 300])
async def test_private_folder_rejects_outside_paths(path: str) -> None:
    with pytest.raises(ManifestRefused):
        async with private_folder({path: b"x"}):
            pass


async def test_private_folder_rejects_a_file_as_folder() -> None:
    with pytest.raises(ManifestRefused, match="cannot be written"):
        async with private_folder({"a": b"x", "a/b": b"x"}):
            pass


async def test_version_returns_the_tools_version(path: Path) -> None:
    install(path, "helm", "print('v4.3.1')")
    assert await Tools().version(Tool.HELM) == "v4.3.1"
    assert os.listdir(path) == ["helm"]


_TEMPLATE = """import sys
namespace = next(word.partition("=")[2] for word in sys.argv if word.startswith("--namespace="))
print('''# Source: shop/templates/a.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: "%s", labels: {app: shop}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: ghcr.io/acme/shop, args: [--as=%s]}]}'''
% (namespace, namespace))"""


@given(
    namespace=st.sampled_from(["shop", "app", "name", "gr-acme-shop-pr-7"])
    | st.from_regex("[a-z]{1,20}", fullmatch=True)
)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_digest_of_a_chart_is_the_same_in_all_namespaces(path: Path, namespace: str) -> None:
    install(path, "helm", _TEMPLATE)
    renderer = ManifestRenderer(POLICY, Tools())
    chart = replace(HELM, routing=NO_ROUTES)
    expected = await renderer.render(chart)
    bundle = await renderer.render(replace(chart, namespace=namespace))
    [deployment] = bundle.waves[Wave.WORKLOADS]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["args"] == [f"--as={namespace}"]
    assert bundle.manifests_digest == expected.manifests_digest
    install(path, "helm", _TEMPLATE.replace("--as", "--for"))
    changed = await renderer.render(replace(chart, namespace=namespace))
    assert changed.manifests_digest != expected.manifests_digest
