"""`preview.manifests`: what previews have in place of what production has from outside."""

from __future__ import annotations

import pytest

from bot.config.loader import parse_configuration
from bot.model.environment import EnvironmentKey
from bot.model.errors import ConfigurationError

PREVIEW = EnvironmentKey.preview(1, 7)
STAGE = EnvironmentKey.stage(1, "staging")


def configured(manifests: str, added: str) -> str:
    return f"""\
version: 1
images: {{shop: ghcr.io/acme/shop}}
manifests: {manifests}
preview: {{manifests: {added}}}
stages: {{staging: {{}}}}
"""


@pytest.mark.parametrize(
    ("manifests", "added", "expected"),
    [
        ("{plain: deploy}", "{plain: [preview, db.yaml]}", {"plain": ("deploy", "preview", "db.yaml")}),
        ("{plain: deploy}", "{kustomize: preview}", {"kustomize": "preview", "plain": None}),
        ("{kustomize: base, ignore: [Kafka]}", "{kustomize: preview}", {"kustomize": "preview"}),
        (
            "{helm: {chart: c, values: [a.yaml], set: {a: 1, b: 2}}}",
            "{values: [b.yaml], set: {b: 3}}",
            {"values": ("a.yaml", "b.yaml"), "helm_settings": {"a": 1, "b": 3}},
        ),
    ],
)
def test_additions_apply_to_previews_alone(manifests: str, added: str, expected: dict[str, object]) -> None:
    configuration = parse_configuration(configured(manifests, added))
    own = configuration.manifests_of(PREVIEW)
    assert {name: getattr(own, name) for name in expected} == expected
    assert own.ignore == configuration.manifests.ignore
    assert configuration.manifests_of(STAGE) == configuration.manifests


@pytest.mark.parametrize(
    ("manifests", "added", "problem"),
    [
        ("{plain: deploy}", "{values: [a.yaml]}", "manifests.values: with `manifests.plain`, set `plain` or"),
        ("{kustomize: base}", "{plain: deploy}", "manifests.plain: with `manifests.kustomize`, set `kust"),
        ("{helm: {chart: c}}", "{kustomize: x}", "kustomize: with `manifests.helm`, set `values` or `set`"),
        ("{plain: deploy}", "{plain: a, kustomize: b}", "preview.manifests: set either `plain`"),
        ("{helm: {chart: c}}", "{set: {a: '{url}'}}", "set.a: {url} and {host} need a `route`"),
    ],
)
def test_additions_of_another_tool_are_refused(manifests: str, added: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_configuration(configured(manifests, added))
    assert problem in str(refused.value)
    assert "line 4" in str(refused.value)
