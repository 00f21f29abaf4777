"""The contents of an environment without its secrets, and comparisons of two such documents."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import yaml

from bot.infrastructure.export import document_differences, exported
from bot.model.environment import (
    Attempt,
    Environment,
    EnvironmentKey,
    EnvironmentState,
    Status,
    UserOverrides,
)
from bot.model.plan import AppliedPlan, PinnedModule, PlanSummary
from bot.model.secret import SecretRecord
from tests.unit.cluster.manifests import KEY, NAMESPACE, REPOSITORY, config_map, deployment, render, request
from tests.unit.github.drifts import NOW

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "db", "annotations": {"example.com/copy": "hunter2"}},
    "stringData": {"password": "hunter2"},
    "data": {"user": "Y2FuYXJ5"},
}
CONFIGURATION = "version: 1\n"


def environment(key: EnvironmentKey = KEY) -> Environment:
    return Environment(
        key,
        REPOSITORY,
        NAMESPACE,
        1,
        1,
        Status(EnvironmentState.READY),
        Attempt(),
        UserOverrides(),
        "",
        NOW,
        NOW,
    )


def document(*manifests: object, key: EnvironmentKey = KEY):
    bundle = render(request(*manifests, environment=key, backend=None))
    return exported(environment(key), CONFIGURATION, bundle)


def test_document_has_release_digests_and_objects_without_secret_values():
    shown = document(deployment(), SECRET, config_map(A="1"))
    text = yaml.safe_dump(shown)
    assert "hunter2" not in text
    assert "Y2FuYXJ5" not in text
    assert shown["release"]["images"] == {"shop": "ghcr.io/acme/shop@sha256:" + "a" * 64}
    assert shown["configuration"].startswith("sha256:")
    kinds = {manifest["kind"] for manifest in shown["objects"]}
    assert {"Deployment", "Secret", "ConfigMap"} <= kinds
    assert json.loads(json.dumps(shown)) == shown


def test_document_has_the_versions_of_secrets():
    bundle = render(request(deployment(), backend=None))
    status = Status(EnvironmentState.READY, secrets={"TOKEN": SecretRecord("keyed", "3")})
    shown = exported(replace(environment(), status=status), CONFIGURATION, bundle)
    assert shown["secrets"] == {"TOKEN": "3"}


def test_generated_values_are_not_exported():
    bundle = render(request(config_map(KEY="abcdefghij"), backend=None, images={}))
    bundle = replace(bundle, generated={"placeholder": "abcdefghij"})
    assert "abcdefghij" not in json.dumps(exported(environment(), CONFIGURATION, bundle)["objects"])


def test_environments_of_one_release_are_equal():
    other = EnvironmentKey.preview(KEY.repository_id, 8)
    left, right = (
        document(deployment(), config_map(A="1")),
        document(deployment(), config_map(A="1"), key=other),
    )
    assert list(document_differences(left, right)) == []


def test_differences_are_grouped_by_object():
    left, right = document(deployment(), config_map(A="1")), document(deployment("web"), config_map(A="2"))
    lines = list(document_differences(left, right))
    assert [line for line in lines if line.startswith("@@")] == [
        "@@ ConfigMap/shop @@",
        "@@ Deployment/shop @@",
        "@@ Deployment/web @@",
    ]
    assert lines[lines.index("@@ ConfigMap/shop @@") + 1 :][:2] == ["-data.A: 1", "+data.A: 2"]
    assert "-the object" in lines
    assert "+the object" in lines


def test_document_has_the_last_applied_plan():
    def planned(summary: PlanSummary) -> dict[str, Any]:
        module = PinnedModule("acme/modules", "v1", "c" * 40)
        attempt = Attempt(applied_plan=AppliedPlan(summary, module))
        bundle = render(request(deployment(), backend=None))
        return exported(replace(environment(), attempt=attempt), CONFIGURATION, bundle)

    left = planned(PlanSummary(("db.main",), ("db.queue",), ("db.cache",)))
    assert left["infrastructure"] == {
        "plan": {
            "add": 2,
            "change": 1,
            "destroy": 1,
            "resources": {"created": ["db.main"], "changed": ["db.queue"], "replaced": ["db.cache"]},
        },
        "module": {"repository": "acme/modules", "ref": "v1", "commit": "c" * 40},
    }
    assert json.loads(json.dumps(left)) == left
    lines = list(document_differences(left, planned(PlanSummary(("db.main",)))))
    assert {"-infrastructure.plan.add: 2", "+infrastructure.plan.add: 1"} <= set(lines)
    assert any("db.cache" in line for line in lines)
    assert "infrastructure" not in document(deployment())
