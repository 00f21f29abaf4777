"""The JSON schema accepts what the loader accepts, and knows every field."""

from __future__ import annotations

import re

import jsonschema
import pytest
import yaml

from bot.config.json_schema import json_schema, json_schema_text
from bot.config.loader import CONFIG_FILE, parse_configuration
from tests.gallery import PLAIN, WITH_TOOLS, gallery_files
from tests.unit.project.files import ROOT
from tests.unit.project.generated import SCHEMA

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
_PAGES = ("configuration.md", "manifests.md", "routing.md", "promotion.md")
EXAMPLES = [
    example
    for page in _PAGES
    for example in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    if example.startswith("version: 1\n")
]
WHOLE = """
version: 1
images: {shop: ghcr.io/acme/shop, web: {repository: ghcr.io/acme/web, tag: "pr-{sha}", name: web}}
manifests: {plain: [a, b.yaml], ignore: [Kafka]}
routes:
  - {name: web, service: web, port: 80, paths: [/, {exact: /x}]}
data: {on_push: reset, seed: {image: shop, command: [a], timeout: 90s, files: [seed/**]}}
preview:
  ttl: 3d
  size: {cpu: 2, memory: 4Gi, pods: 5}
  manifests: {plain: c}
  checks: [{http: /healthz}, {http: {path: /x, route: web}}, {job: {image: shop, command: [a]}}]
stages:
  one: {soak: 0m}
  two: {after: [one], soak: 30m, freeze: [{from: fri 16:00, until: mon 08:00, zone: UTC, why: rest}]}
  three: {after: {one_of: [one, two]}, protected: true, approvals: {count: 2, teams: [ops]}}
demo: {sales: {release: v1.0}}
"""


def test_published_schema_is_current() -> None:
    assert (ROOT / SCHEMA).read_text(encoding="utf-8") == json_schema_text(), "run `make tables`"


@pytest.mark.parametrize("text", [*EXAMPLES, WHOLE])
def test_examples_are_accepted(text: str) -> None:
    assert parse_configuration(text)
    VALIDATOR.validate(yaml.safe_load(text))


@pytest.mark.parametrize("name", [*PLAIN, *WITH_TOOLS])
def test_applications_of_the_gallery_are_accepted(name: str) -> None:
    VALIDATOR.validate(yaml.safe_load(gallery_files(name)[CONFIG_FILE]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1", "version: 2"),
        ("ttl: 3d", "ttl: 3 days"),
        ("on_push: reset", "on_push: never"),
        ("port: 80,", "port: 0,"),
        ("preview:", "previews:"),
        ("soak: 30m", "soak: 30"),
        ("protected: true", "protect: true"),
    ],
)
def test_mistakes_are_found(old: str, new: str) -> None:
    assert old in WHOLE
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(yaml.safe_load(WHOLE.replace(old, new, 1)))
