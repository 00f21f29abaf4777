"""Allowed differences of two stages, and the report about others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.github.messages.parity import diff, mismatch_reason
from bot.model.errors import Rejected
from bot.model.parity import Category, Comparable, Comparison, Difference
from bot.model.repository import Repository
from bot.promotions.parity import Side, differences
from bot.promotions.parity_service import ParityInput, ParityService
from bot.settings import PodSecurity
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
    """Files by the first letter of the commit."""

    commits: dict[str, Mapping[str, bytes]] = field(default_factory=lambda: {"a": files(*EVERYTHING)})

    async def files(
        self, repository: Repository, commit: str, folders: Collection[str]
    ) -> Mapping[str, bytes]:
        return self.commits[commit[0]]


def parity_input(name: str, stage: Mapping[str, Any], commit: str = "a", **more: Any) -> ParityInput:
    text = yaml.safe_dump({**CONFIGURATION, "stages": {name: stage}, **more})
    return ParityInput(name, release(commit), text)


def next_commit(stage: Mapping[str, Any] | None = None) -> ParityInput:
    """Production with commit b and the images of commit a, so that only the manifests may differ."""
    return replace(parity_input("production", stage or {}), release=replace(release("a"), commit="b" * 40))


def compare(left: ParityInput, right: ParityInput, **commits: Mapping[str, bytes]) -> tuple[Difference, ...]:
    github = GitHub()
    github.commits |= commits
    return asyncio.run(service_of(github).compare(SHOP, left, right)).differences


def service_of(github: GitHub, **policies: ClusterPolicy) -> ParityService:
    """`policies` are those of named clusters."""

    def renderer(cluster: str) -> ManifestRenderer:
        return ManifestRenderer(policies.get(cluster, POLICY), Tools())

    return ParityService(github, renderer)  # type: ignore[arg-type]  # has what is used


def diff_lines(result: tuple[Difference, ...]) -> list[str]:
    return list(diff(Comparison("staging", "production", result)))[2:]


def container(**fields: Any) -> dict[str, Any]:
    changed = deployment()
    changed["spec"]["template"]["spec"]["containers"][0].update(fields)
    return changed


def against(*manifests: object) -> list[str]:
    """Diff lines of the next commit, which has these objects instead of the shop's Deployment."""
    rest = EVERYTHING[1:]
    return diff_lines(compare(parity_input("staging", {}), next_commit(), b=files(*manifests, *rest)))


BASELINE = replace(POLICY, pod_security=PodSecurity.BASELINE)
RESTRICTED = replace(POLICY, pod_security=PodSecurity.RESTRICTED)
ON_PROD = parity_input("production", {"cluster": "prod"})


def test_each_stage_is_rendered_with_the_rules_of_its_cluster() -> None:
    parity_service = service_of(GitHub(), default=BASELINE, prod=RESTRICTED)
    left = parity_input("staging", {})
    comparison = asyncio.run(parity_service.compare(SHOP, left, ON_PROD))
    assert list(diff(comparison))[:2] == ["--- staging (cluster default)", "+++ production (cluster prod)"]
    assert comparison.differences
    assert all("securityContext" in difference.path for difference in comparison.differences)
    assert mismatch_reason(comparison).startswith(
        "production (cluster prod) differs from staging (cluster default): "
    )
    moved_back = asyncio.run(parity_service.compare(SHOP, left, replace(ON_PROD, cluster="default")))
    assert moved_back.equal
    assert list(diff(moved_back)) == ["--- staging", "+++ production"]


def test_what_the_other_cluster_refuses_cannot_be_compared() -> None:
    github = GitHub({"a": files(container(securityContext={"runAsUser": 0}), service())})
    parity_service = service_of(github, default=BASELINE, prod=RESTRICTED)
    with pytest.raises(Rejected, match="runAsUser"):
        asyncio.run(parity_service.compare(SHOP, parity_input("staging", {}), ON_PROD))


def test_differences_ignore_values_size_and_host() -> None:
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
    left = parity_input("staging", staging, data=data)
    assert compare(left, parity_input("production", production, data=data)) == ()


def test_differences_name_missing_variables_without_values() -> None:
    staging = {"config": {"COLOUR": "hunter2"}, "secrets": {"KEY": "env:HUNTER3"}}
    result = compare(
        parity_input("staging", staging), parity_input("production", {"config": {"LIMIT": "hunter4"}})
    )
    assert diff_lines(result) == [
        "@@ config and secrets @@",
        "-COLOUR: in config",
        "-KEY: in secrets",
        "+LIMIT: in config",
    ]
    assert {difference.category for difference in result} == {Category.VARIABLE}


def test_variable_in_every_container_is_not_missing() -> None:
    source = container(envFrom=[{"configMapRef": {"name": "shop"}}], env=[{"name": "COLOUR", "value": "x"}])
    both = files(source, *EVERYTHING[1:])
    staging = parity_input("staging", {"config": {"PRICES": "high", "COLOUR": "blue"}})
    assert compare(staging, parity_input("production", {}), a=both) == ()


def test_variable_moved_to_the_configuration_is_not_missing() -> None:
    moved = {"a": files(container(env=[{"name": "COLOUR", "value": "x"}])), "b": files(deployment())}
    moved = {commit: {**text, **files(service(), path="deploy/s.yaml")} for commit, text in moved.items()}
    after = next_commit({"config": {"COLOUR": "blue"}})
    assert compare(parity_input("staging", {}), after, **moved) == ()


def test_differences_hide_values_of_manifests() -> None:
    lines = against(
        container(env=[{"name": "COLOUR", "value": "hunter2"}]),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"url": "hunter2"}},
    )
    assert lines == [
        "@@ Deployment/shop @@",
        "+spec.template.spec.containers[shop].env.COLOUR: set",
        "@@ Secret/db @@",
        "+the whole object",
    ]


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        (
            {"readinessProbe": {"httpGet": {"path": "/", "port": 80}}},
            ['+spec.template.spec.containers[shop].readinessProbe: {"httpGet": {"path": "/", "port": 80}}'],
        ),
        (
            {"resources": {"limits": {"memory": "1Gi"}}},
            ['+spec.template.spec.containers[shop].resources: {"limits": {"memory": "1Gi"}}'],
        ),
    ],
    ids=["probe", "limit"],
)
def test_differences_show_paths_of_probes_and_limits(fields: dict[str, Any], lines: list[str]) -> None:
    assert against(container(**fields)) == ["@@ Deployment/shop @@", *lines]


def with_proxy(tag: str) -> Mapping[str, bytes]:
    manifest = deployment()
    manifest["spec"]["template"]["spec"]["containers"].append(
        {"name": "proxy", "image": f"ghcr.io/other/proxy:{tag}"}
    )
    return files(manifest, *EVERYTHING[1:])


def test_differences_show_images_that_are_not_of_the_release() -> None:
    differences = compare(parity_input("staging", {}), next_commit(), a=with_proxy("1"), b=with_proxy("2"))
    assert diff_lines(differences) == [
        "@@ Deployment/shop @@",
        "-spec.template.spec.containers[proxy].image: ghcr.io/other/proxy:1",
        "+spec.template.spec.containers[proxy].image: ghcr.io/other/proxy:2",
    ]


def test_differences_have_categories() -> None:
    after = parity_input("production", {"config": {"NEW": "1"}}, "b")
    changed = container(
        image="ghcr.io/acme/shop:2",
        livenessProbe={"tcpSocket": {"port": 80}},
        resources={"limits": {"cpu": "1"}},
    )
    changed["spec"]["replicas"] = 3
    result = compare(parity_input("staging", {}), after, b=files(changed, service()))
    assert {difference.category for difference in result} == set(Category)
    comparison = Comparison("staging", "production", result, more=3)
    assert mismatch_reason(comparison) == (
        "production differs from staging: 1 missing variable, 1 image, 1 probe, 1 missing object, 1 limit, "
        "1 other field, 3 more"
    )


def test_jobs_are_compared_by_name() -> None:
    def job(command: str) -> dict[str, Any]:
        template = {"spec": {"containers": [{"name": "j", "image": "x", "command": [command]}]}}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "index"},
            "spec": {"template": template},
        }

    result = compare(
        parity_input("staging", {}),
        next_commit(),
        a=files(deployment(), service(), job("old")),
        b=files(deployment(), service(), job("new")),
    )
    assert diff_lines(result) == [
        "@@ Job/index @@",
        '-spec.template.spec.containers[j].command: ["old"]',
        '+spec.template.spec.containers[j].command: ["new"]',
    ]


def test_differences_include_migrations_and_route() -> None:
    data = {"migrate": {"image": "shop", "command": ["migrate"]}}
    result = compare(parity_input("staging", {}, data=data), parity_input("production", {}, route=None))
    assert diff_lines(result) == [
        "@@ HTTPRoute/greenroom-route @@",
        "-the whole object",
        "@@ Job/greenroom-migrations @@",
        "-the whole object",
    ]


def test_comparison_raises_if_a_side_cannot_be_rendered() -> None:
    with pytest.raises(Rejected, match=r"No manifests .* in `elsewhere`"):
        compare(parity_input("staging", {}), parity_input("production", {}, manifests={"plain": "elsewhere"}))


def test_differences_of_long_values_fit_one_printable_line() -> None:
    common = "x" * 1000
    objects = [
        {"args": [common + ending, "\x1b[2J\n\u202e"], "metadata": {"labels": {"\x1b]0;": "1"}}}
        for ending in ("left", "right")
    ]
    objects[1]["metadata"] = {"labels": {}}
    left, right = (Side(Comparable({"Pod/shop": item}), {}) for item in objects)
    args, label = differences(left, right)
    assert args.left is not None
    assert "left" in args.left
    assert len(args.left) <= 160
    for item in (args, label):
        assert all(text.isprintable() for text in (item.path, item.left or "", item.right or ""))


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
def test_stage_equals_itself(side: Side) -> None:
    assert differences(side, side) == ()


@settings(max_examples=300)
@given(sides, sides)
def test_differences_are_symmetric(left: Side, right: Side) -> None:
    forward = differences(left, right)
    reverse = differences(right, left)
    assert [
        replace(difference, left=difference.right, right=difference.left) for difference in reverse
    ] == list(forward)
    assert list(forward) == sorted(
        forward, key=lambda difference: (difference.kind, difference.name, difference.path)
    )
    assert all(text.isprintable() for text in diff(Comparison("l", "r", forward)))
    json.dumps([difference.path for difference in forward])


variables = st.dictionaries(st.sampled_from(("COLOUR", "LIMIT", "KEY")), st.text(max_size=5), max_size=3)
sizes = st.fixed_dictionaries({}, optional={"cpu": st.sampled_from(("1", "2")), "pods": st.just("3")})


@settings(max_examples=30)
@given(variables, st.text(max_size=5), sizes, sizes, st.booleans())
def test_differences_never_include_values_or_sizes(
    config: dict[str, str], value: str, size: dict[str, str], other: dict[str, str], secret: bool
) -> None:
    left = parity_input("staging", {"config": config, "size": size})
    changed = dict.fromkeys(config, value)
    moved = {"secrets": dict.fromkeys(config, "env:SOMETHING")} if secret else {"config": changed}
    assert compare(left, parity_input("production", {**moved, "size": other})) == ()
