"""In what two stages may differ, and how it is told where they differ in more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.github.messages.parity import diff, mismatch_reason
from bot.model.errors import Rejected
from bot.model.parity import Category, Comparable, Comparison, Difference
from bot.model.repository import Repository
from bot.promotions.parity import Side, differences
from bot.promotions.parity_service import ParityInput, ParityService
from tests.unit.cluster.manifests import POLICY, config_map, deployment, files, service
from tests.unit.promotions.stage_fixtures import SHOP, release

CONFIGURATION: Mapping[str, Any] = {
    "version": 1,
    "images": {"shop": "ghcr.io/acme/shop"},
    "manifests": {"plain": "deploy"},
    "route": {"service": "shop", "port": 80},
}
EVERYTHING = (deployment(), service(), config_map("shop", PRICES="low"))


@dataclass
class GitHub:
    """Commits by the letter that they are made of."""

    commits: dict[str, Mapping[str, bytes]] = field(default_factory=lambda: {"a": files(*EVERYTHING)})

    async def files(self, repository: Repository, commit: str) -> Mapping[str, bytes]:
        return self.commits[commit[0]]


def standing(name: str, stage: Mapping[str, Any], commit: str = "a", **more: Any) -> ParityInput:
    text = yaml.safe_dump({**CONFIGURATION, "stages": {name: stage}, **more})
    return ParityInput(name, release(commit), text)


def next_commit(stage: Mapping[str, Any] | None = None) -> ParityInput:
    """Production with commit b and the images of commit a, so that only the manifests may differ."""
    return replace(standing("production", stage or {}), release=replace(release("a"), commit="b" * 40))


def compare(left: ParityInput, right: ParityInput, **commits: Mapping[str, bytes]) -> tuple[Difference, ...]:
    github = GitHub()
    github.commits |= commits
    parity_service = ParityService(github, ManifestRenderer(POLICY, Tools()))  # type: ignore[arg-type]  # what it asks for is there
    return asyncio.run(parity_service.compare(SHOP, left, right))


def told(found: tuple[Difference, ...]) -> list[str]:
    return list(diff(Comparison("staging", "production", found)))[2:]


def container(**fields: Any) -> dict[str, Any]:
    changed = deployment()
    changed["spec"]["template"]["spec"]["containers"][0].update(fields)
    return changed


def against(*manifests: object) -> list[str]:
    """What is told of the next commit, which has these instead of the shop's Deployment."""
    rest = EVERYTHING[1:]
    return told(compare(standing("staging", {}), next_commit(), b=files(*manifests, *rest)))


def test_values_size_host_and_the_place_are_no_differences() -> None:
    staging = {
        "config": {"COLOUR": "blue", "TOKEN": "none"},
        "secrets": {"KEY": "env:STAGING_KEY"},
        "size": {"cpu": "1"},
        "checks": [{"http": "/"}],
        "seed": True,
    }
    production = {
        "config": {"COLOUR": "red", "KEY": "of the shop"},
        "secrets": {"TOKEN": "env:TOKEN"},
        "size": {"cpu": "8"},
        "namespace": "production",
        "approvals": {"count": 2},
    }
    data = {"seed": {"image": "shop", "command": ["seed"]}}
    left = standing("staging", staging, data=data)
    assert compare(left, standing("production", production, data=data)) == ()


def test_a_variable_that_one_of_them_lacks_is_told_by_its_name_alone() -> None:
    staging = {"config": {"COLOUR": "hunter2"}, "secrets": {"KEY": "env:HUNTER3"}}
    found = compare(standing("staging", staging), standing("production", {"config": {"LIMIT": "hunter4"}}))
    assert told(found) == [
        "@@ config and secrets @@",
        "-COLOUR: in config",
        "-KEY: in secrets",
        "+LIMIT: in config",
    ]
    assert {each.category for each in found} == {Category.VARIABLE}


def test_a_variable_that_the_manifests_give_every_container_is_not_missing() -> None:
    source = container(envFrom=[{"configMapRef": {"name": "shop"}}], env=[{"name": "COLOUR", "value": "x"}])
    both = files(source, *EVERYTHING[1:])
    staging = standing("staging", {"config": {"PRICES": "high", "COLOUR": "blue"}})
    assert compare(staging, standing("production", {}), a=both) == ()


def test_a_variable_that_moved_from_the_manifests_to_the_configuration_is_not_missing() -> None:
    moved = {"a": files(container(env=[{"name": "COLOUR", "value": "x"}])), "b": files(deployment())}
    moved = {commit: {**text, **files(service(), path="deploy/s.yaml")} for commit, text in moved.items()}
    after = next_commit({"config": {"COLOUR": "blue"}})
    assert compare(standing("staging", {}), after, **moved) == ()


def test_values_in_manifests_are_configuration_too_and_names_are_not() -> None:
    told_of = against(
        container(env=[{"name": "COLOUR", "value": "hunter2"}]),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"url": "hunter2"}},
    )
    assert told_of == [
        "@@ Deployment/shop @@",
        "+spec.template.spec.containers[shop].env.COLOUR: set",
        "@@ Secret/db @@",
        "+the whole object",
    ]


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        (
            {"image": "ghcr.io/other/shop:1"},
            [
                "-spec.template.spec.containers[shop].image: " + release("a").images["shop"].reference,
                "+spec.template.spec.containers[shop].image: ghcr.io/other/shop:1",
            ],
        ),
        (
            {"readinessProbe": {"httpGet": {"path": "/", "port": 80}}},
            ['+spec.template.spec.containers[shop].readinessProbe: {"httpGet": {"path": "/", "port": 80}}'],
        ),
        (
            {"resources": {"limits": {"memory": "1Gi"}}},
            ['+spec.template.spec.containers[shop].resources: {"limits": {"memory": "1Gi"}}'],
        ),
    ],
    ids=["image", "probe", "limit"],
)
def test_images_probes_and_limits_are_told_with_their_place(fields: dict[str, Any], lines: list[str]) -> None:
    assert against(container(**fields)) == ["@@ Deployment/shop @@", *lines]


def test_each_kind_of_difference_has_its_category() -> None:
    after = standing("production", {"config": {"NEW": "1"}}, "b")
    changed = container(
        image="ghcr.io/acme/shop:2",
        livenessProbe={"tcpSocket": {"port": 80}},
        resources={"limits": {"cpu": "1"}},
    )
    changed["spec"]["replicas"] = 3
    found = compare(standing("staging", {}), after, b=files(changed, service()))
    assert {each.category for each in found} == set(Category)
    comparison = Comparison("staging", "production", found, more=3)
    assert mismatch_reason(comparison) == (
        "production differs from staging: 1 missing variable, 1 image, 1 probe, 1 missing object, 1 limit, "
        "1 other field, 3 more"
    )


def test_jobs_are_known_by_their_names_though_each_content_has_its_own() -> None:
    def job(command: str) -> dict[str, Any]:
        template = {"spec": {"containers": [{"name": "j", "image": "x", "command": [command]}]}}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "index"},
            "spec": {"template": template},
        }

    found = compare(
        standing("staging", {}),
        next_commit(),
        a=files(deployment(), service(), job("old")),
        b=files(deployment(), service(), job("new")),
    )
    assert told(found) == [
        "@@ Job/index @@",
        '-spec.template.spec.containers[j].command: ["old"]',
        '+spec.template.spec.containers[j].command: ["new"]',
    ]


def test_migrations_and_route_are_compared_though_no_manifest_has_them() -> None:
    data = {"migrate": {"image": "shop", "command": ["migrate"]}}
    found = compare(standing("staging", {}, data=data), standing("production", {}, route=None))
    assert told(found) == [
        "@@ HTTPRoute/greenroom-route @@",
        "-the whole object",
        "@@ Job/greenroom-migrations @@",
        "-the whole object",
    ]


def test_a_side_that_cannot_be_rendered_says_why() -> None:
    with pytest.raises(Rejected, match="no manifest"):
        compare(standing("staging", {}), standing("production", {}, manifests={"plain": "elsewhere"}))


def test_long_and_hostile_values_are_shown_where_they_differ_on_one_line() -> None:
    common = "x" * 1000
    objects = [
        {"args": [common + ending, "\x1b[2J\n\u202e"], "metadata": {"labels": {"\x1b]0;": "1"}}}
        for ending in ("left", "right")
    ]
    objects[1]["metadata"] = {"labels": {}}
    left, right = (Side(Comparable({"Pod/shop": each}), {}) for each in objects)
    args, label = differences(left, right)
    assert args.left is not None
    assert "left" in args.left
    assert len(args.left) <= 160
    for each in (args, label):
        assert all(text.isprintable() for text in (each.path, each.left or "", each.right or ""))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("name", "image", "env", "resources", "livenessProbe")), inner)
    ),
    max_leaves=12,
)
sides = st.builds(
    Side,
    st.builds(
        Comparable,
        st.dictionaries(
            st.sampled_from(("Deployment/shop", "Service/shop", "ConfigMap/c")),
            st.dictionaries(st.sampled_from(("spec", "data", "metadata")), values, min_size=1),
        ),
        st.frozensets(st.sampled_from("AB")),
    ),
    st.dictionaries(st.sampled_from("ABC"), st.sampled_from(("config", "secrets"))),
)


@given(sides)
def test_a_stage_is_like_itself(side: Side) -> None:
    assert differences(side, side) == ()


@settings(max_examples=300)
@given(sides, sides)
def test_swapping_the_stages_swaps_what_is_told_of_them(left: Side, right: Side) -> None:
    there = differences(left, right)
    back = differences(right, left)
    assert [replace(each, left=each.right, right=each.left) for each in back] == list(there)
    assert list(there) == sorted(there, key=lambda each: (each.kind, each.name, each.path))
    assert all(text.isprintable() for text in diff(Comparison("l", "r", there)))
    json.dumps([each.path for each in there])


variables = st.dictionaries(st.sampled_from(("COLOUR", "LIMIT", "KEY")), st.text(max_size=5), max_size=3)
sizes = st.fixed_dictionaries({}, optional={"cpu": st.sampled_from(("1", "2")), "pods": st.just("3")})


@settings(max_examples=30)
@given(variables, st.text(max_size=5), sizes, sizes, st.booleans())
def test_other_values_and_sizes_are_never_a_difference(
    config: dict[str, str], value: str, size: dict[str, str], other: dict[str, str], secret: bool
) -> None:
    left = standing("staging", {"config": config, "size": size})
    changed = dict.fromkeys(config, value)
    moved = {"secrets": dict.fromkeys(config, "env:SOMETHING")} if secret else {"config": changed}
    assert compare(left, standing("production", {**moved, "size": other})) == ()
