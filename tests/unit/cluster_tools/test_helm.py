"""Checks of charts before Helm reads them, and origins of rendered objects."""

from __future__ import annotations

import pytest
import yaml

from bot.cluster.manifests import Source
from bot.cluster.render import helm
from bot.model.errors import ManifestRefused

CHART = b"apiVersion: v2\nname: shop\nversion: 1.0.0\n"
FILES = {"chart/Chart.yaml": CHART, "chart/templates/shop.yaml": b"kind: Service", "preview.yaml": b"a: 1"}


def with_dependency(dependency: str, **more: bytes) -> dict[str, bytes]:
    return {**FILES, "chart/Chart.yaml": CHART + f"dependencies:\n- {dependency}\n".encode(), **more}


def refusal(files: dict[str, bytes], *hosts: str, values: tuple[str, ...] = ()) -> str:
    with pytest.raises(ManifestRefused) as caught:
        helm.plan(files, "chart", values, hosts)
    return str(caught.value)


def test_plan_has_the_release_name_and_chart_files() -> None:
    plan = helm.plan({**FILES, "secret.txt": b""}, "chart", ("preview.yaml",), ())
    assert plan.release == "shop"
    assert plan.files.keys() == FILES.keys()
    assert not plan.remote
    arguments = helm.arguments(plan, "chart", ("preview.yaml",), "gr-shop-pr-7")
    assert arguments[:3] == ["template", "shop", "../commit/chart"]
    assert "--values=../commit/preview.yaml" in arguments
    assert "--namespace=gr-shop-pr-7" in arguments


@pytest.mark.parametrize(
    ("files", "values", "reason"),
    [
        ({"a": b""}, (), "No Chart.yaml in `chart`"),
        (
            FILES,
            ("absent.yaml",),
            ".greenroom.yml, manifests.helm.values: `absent.yaml` does not exist in this commit",
        ),
        (
            {"chart/Chart.yaml": b"name: --post-renderer=x"},
            (),
            "chart/Chart.yaml:1, name: a chart's name consists",
        ),
        ({"chart/Chart.yaml": b"[]"}, (), "expected a mapping"),
    ],
)
def test_plan_rejects_invalid_charts(files: dict[str, bytes], values: tuple[str, ...], reason: str) -> None:
    assert reason in refusal(files, values=values)


@pytest.mark.parametrize(
    ("dependency", "reason"),
    [
        ("{name: redis, repository: '@stable'}", "its repository is not a URL"),
        ("{name: redis}", "its repository is not a URL"),
        ("{name: redis, repository: 'git+ssh://evil.example.com/x'}", "its repository is not a URL"),
        ("{name: ../../up, repository: 'file://../other'}", "requires the name of its chart"),
        ("{name: up, repository: 'file://../../up'}", "is outside of the repository"),
        ("{name: up, repository: 'file:///etc'}", "use a relative path"),
        ("{name: up, repository: 'file://../absent'}", "`absent` does not exist in this commit"),
        ("{name: shop, repository: 'file://.'}", "nested deeper"),
    ],
)
def test_plan_rejects_dependencies_outside_of_the_commit(dependency: str, reason: str) -> None:
    assert reason in refusal(with_dependency(dependency))


def test_plan_nests_charts_of_the_repository() -> None:
    files = with_dependency(
        "{name: redis, repository: 'file://../redis'}",
        **{"redis/Chart.yaml": b"name: redis", "redis/templates/a.yaml": b"x"},
    )
    plan = helm.plan(files, "chart", (), ())
    assert plan.files["chart/charts/redis/templates/a.yaml"] == b"x"
    assert not plan.remote


@pytest.mark.parametrize(
    "chart",
    [
        CHART + b"Dependencies: [{name: redis, repository: 'https://evil.test'}]",
        CHART + b"dependencies: [{name: redis, REPOSITORY: 'https://evil.test'}]",
        b"Name: shop",
    ],
)
def test_plan_rejects_fields_in_another_case(chart: bytes) -> None:
    """Go's JSON takes it as the field itself."""
    assert "write `" in refusal({**FILES, "chart/Chart.yaml": chart})


def test_plan_reads_requirements_yaml() -> None:
    files = {
        **FILES,
        "chart/requirements.yaml": b"dependencies:\n- {name: a, repository: 'https://evil.test'}",
    }
    assert refusal(files).startswith("chart/requirements.yaml:2, dependencies.0: the chart 'a' is fetched")


OUTPUT = b"""---
# Source: shop/templates/shop.yaml
apiVersion: v1
kind: Service
metadata:
  name: shop
spec:
  type: NodePort
---
# Source: shop/charts/redis/templates/job.yaml
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: "pre-install, pre-upgrade"}}
"""


def test_sources_have_template_and_line() -> None:
    service, job = helm.sources(OUTPUT, "chart")
    assert service.where(("spec", "type")) == "chart/templates/shop.yaml:6 (as rendered by Helm)"
    assert job.where(("kind",)) == "chart/charts/redis/templates/job.yaml:2 (as rendered by Helm)"


@pytest.mark.parametrize(
    ("hook", "kept"),
    [
        ("test", False),
        ("test-success,test-failure", False),
        ("pre-delete", False),
        ("post-rollback, post-delete", True),
        ("pre-install", True),
        ("post-upgrade,post-delete", True),
    ],
)
def test_hooks_that_no_deployment_runs_are_left_out(hook: str, kept: bool) -> None:
    metadata = {"name": "x", "annotations": {"helm.sh/hook": hook}}
    output = yaml.safe_dump({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata})
    sources = helm.sources(output.encode(), "chart")
    marked = helm.mark_deployed(sources, sources)
    assert len(marked.sources) == kept
    assert [note.object for note in marked.notes] == ([] if kept else ["Job/x"])


def test_unused_hooks_may_have_generated_names() -> None:
    def rendering(suffix: str) -> tuple[Source, ...]:
        metadata = {"name": f"shop-test-{suffix}", "annotations": {"helm.sh/hook": "test"}}
        output = yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
        return helm.sources(output.encode(), "chart")

    marked = helm.mark_deployed(rendering("ab1x"), rendering("q7zz"))
    assert marked.sources == ()
    assert [note.object for note in marked.notes] == ["Pod/shop-test"]


@pytest.mark.parametrize(
    ("schema", "skipped"),
    [
        ('{"properties": {"a": {"$ref": "https://example.com/all.json#/definitions/Probe"}}}', True),
        ('{"$id": "https://example.com/values.json", "not": {"$ref": "all.json"}}', True),
        ('{"$id": "https://example.com/values.json", "not": {"$ref": "#/definitions/a"}}', False),
        ('{"$schema": "https://json-schema.org/draft-07/schema#", "not": {"$ref": "#/$defs/a"}}', False),
    ],
)
def test_schemas_of_other_hosts_are_not_used(schema: str, skipped: bool) -> None:
    notes = helm.schema_notes({**FILES, "chart/charts/a/values.schema.json": schema.encode()})
    assert [note.object for note in notes] == ["chart/charts/a/values.schema.json"] * skipped
