"""`.greenroom.yml`: what is accepted, and that every complaint names line and field."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.configuration import field_line, host_objection, parse_configuration
from bot.config.fields import parse_duration
from bot.model.environment import EnvironmentKey
from bot.model.errors import ConfigurationError
from bot.model.hosts import NO_HOSTS, HostGrants
from bot.model.manifest import Tool
from bot.model.repository import Repository
from bot.model.size import Size

MINIMAL = """\
version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
"""
ROUTED = MINIMAL + "route: {service: shop, port: 80}\n"


def test_the_smallest_configuration() -> None:
    configuration = parse_configuration(MINIMAL)
    assert configuration.images["shop"].repository == "ghcr.io/acme/shop"
    assert configuration.images["shop"].tag_for("abc") == "abc"
    assert (configuration.manifests.tool, configuration.manifests.directory) == (Tool.PLAIN, "deploy")
    assert configuration.preview.skip.bots
    assert not configuration.preview.skip.drafts


@pytest.mark.parametrize(
    ("manifests", "tool", "directory", "values"),
    [
        ("{plain: ./}", Tool.PLAIN, "", ()),
        ("{kustomize: deploy/preview/}", Tool.KUSTOMIZE, "deploy/preview", ()),
        ("{helm: {chart: chart}}", Tool.HELM, "chart", ()),
        ("{helm: {chart: ./chart, values: [a.yaml, b.yaml]}}", Tool.HELM, "chart", ("a.yaml", "b.yaml")),
    ],
)
def test_manifests_are_plain_or_made_by_a_tool(
    manifests: str, tool: Tool, directory: str, values: tuple[str, ...]
) -> None:
    found = parse_configuration(MINIMAL.replace("{plain: deploy/}", manifests)).manifests
    assert (found.tool, found.directory, found.values) == (tool, directory, values)


def test_the_whole_of_it() -> None:
    configuration = parse_configuration(
        """
version: 1
images: {shop: "localhost:5000/acme/shop:pr-{sha}"}
manifests: {plain: ./deploy}
route: {service: shop, port: 80}
data: {seed: {image: shop, command: [python, -m, shop.seed], timeout: 90s}}
preview:
  ttl: 3d
  skip: {drafts: true, bots: false, paths_only: [docs/**], labels: [no-preview]}
  config: {FEATURE_X: "on"}
  checks:
    - {http: /healthz}
    - {name: smoke, job: {image: shop, command: [pytest, smoke]}}
"""
    )
    assert configuration.images["shop"].repository == "localhost:5000/acme/shop"
    assert configuration.images["shop"].tag_for("abc") == "pr-abc"
    assert configuration.preview.ttl == timedelta(days=3)
    assert configuration.data is not None
    assert configuration.data.seed is not None
    assert configuration.data.seed.timeout == timedelta(seconds=90)
    assert [check.title for check in configuration.preview.checks] == ["http-healthz", "smoke"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: expected a mapping that starts with `version: 1`"),
        ("- 1", "line 1: expected a mapping"),
        ("a: [", "line 1: "),
        (MINIMAL + "foo: 1", "line 4, foo: this field is not known here"),
        (MINIMAL + "route:\n  service: shop\n  port: eighty", "line 6, route.port: "),
        (MINIMAL + "version: 1", "line 4: the key 'version' stands twice"),
        (
            MINIMAL + "preview:\n  config:\n    MODE: on",
            "line 6, preview.config.MODE: expected text; put quotes",
        ),
        (MINIMAL + "stages:\n  Staging: {}", "line 5, stages.Staging: a name here has at most 30 lower-case"),
        (
            MINIMAL + "stages:\n  staging:",
            "line 5, stages.staging: expected a mapping of fields; `{}` where none",
        ),
        (MINIMAL + "stages: [a]", "line 4, stages: expected a mapping: names, each with its value"),
        (
            MINIMAL + "stages:\n  a: {}\n  b: {after: a}",
            "line 6, stages.b.after: expected a list of stages: [a]",
        ),
        (
            MINIMAL + "stages:\n  a: {automatic: maybe}",
            "line 5, stages.a.automatic: expected `true` or `false`",
        ),
        (MINIMAL + "stages:\n  a: {parity: no}", "line 5, stages.a.parity: expected 'warn' or 'block'"),
        (
            MINIMAL + "stages:\n  a: {approvals: {count: 0}}",
            "stages.a.approvals.count: it has to be 1 or more",
        ),
        (MINIMAL + "stages:\n  a: {required: {checks: build}}", "stages.a.required.checks: expected a list"),
        (
            MINIMAL + "stages:\n  a: {checks: [{http: up}]}",
            "stages.a.checks.0.http: a path begins with a slash",
        ),
        (MINIMAL + "preview:\n  ttl: soon", "line 5, preview.ttl: a duration is a number and a unit"),
        (
            MINIMAL + "preview:\n  checks:\n    - {}",
            "line 6, preview.checks.0: a check is either `http: /path`",
        ),
        (
            MINIMAL + "preview:\n  checks:\n    - {http: /a}\n    - {http: /a}",
            "line 4, preview: two checks are called 'http-a'",
        ),
        (
            MINIMAL.replace("deploy/", "../secrets"),
            "line 3, manifests.plain: a path is relative to the repository",
        ),
        (
            MINIMAL.replace("plain", "kustomise"),
            "line 3, manifests.kustomise: this field is not known here",
        ),
        (
            MINIMAL.replace("{plain: deploy/}", "{plain: a, kustomize: b}"),
            "line 3, manifests: say where they are in one way: `plain: DIR`, `kustomize: DIR` or `helm:",
        ),
        (MINIMAL.replace("{plain: deploy/}", "{}"), "line 3, manifests: say where they are in one way"),
        (
            MINIMAL.replace("{plain: deploy/}", "{helm: ~}"),
            "line 3, manifests: say where they are in one way",
        ),
        (MINIMAL.replace("{plain: deploy/}", "{helm: {values: []}}"), "manifests.helm.chart: this field is"),
        (
            MINIMAL.replace("{plain: deploy/}", "{helm: {chart: c, values: [../secret.yaml]}}"),
            "line 3, manifests.helm.values.0: a path is relative to the repository",
        ),
        (MINIMAL.replace("acme/shop", "acme/shop:latest"), "line 2, images.shop: the tag must contain {sha}"),
        (
            MINIMAL + "stages: {sales: {}}\ndemo:\n  sales: {}",
            "line 6, demo.sales: 'sales' is the name of a stage: give one of them another",
        ),
        (
            MINIMAL + "demo:\n  pr-7: {}",
            "line 5, demo.pr-7: 'pr-7' is the name of a pull request's preview",
        ),
        (MINIMAL + "demo:\n  Sales: {}", "line 5, demo.Sales"),
        (MINIMAL + "demo:\n  sales: {release: 2.3}", "line 5, demo.sales.release: expected text; put quotes"),
        (
            MINIMAL + "demo:\n  sales: {release: not a tag}",
            "line 5, demo.sales.release: a release is its id of 12 digits, a git tag such as v2.3.47, or",
        ),
        (MINIMAL + "demo:\n  sales: {after: [staging]}", "demo.sales.after: this field is not known here"),
        (
            MINIMAL + "stages:\n  staging: {after: [sales]}\ndemo: {sales: {}}",
            "line 5, stages.staging.after: there is no stage 'sales'",
        ),
        (
            MINIMAL + "demo:\n  sales: {config: {A: b}, secrets: {A: env:A}}",
            "line 5, demo.sales: A stands in both `config` and `secrets`",
        ),
        (ROUTED + "stages:\n  a: {host: shop}", "line 6, stages.a.host: a host is such as shop.example.com"),
        (ROUTED + "stages:\n  a: {host: 'Shop.example.com'}", "stages.a.host: a host is such as"),
        (ROUTED + "stages:\n  a: {host: 'shop.example.com:80'}", "stages.a.host: a host is such as"),
        (
            ROUTED + "stages:\n  a: {host: shop.example.com}\n  b:\n    host: shop.example.com",
            "line 8, stages.b.host: shop.example.com is the host of a already",
        ),
        (
            MINIMAL + "stages:\n  a: {host: shop.example.com}",
            "line 5, stages.a.host: there is no `route` that a host could lead to",
        ),
        ("version: 2\n" + MINIMAL.split("\n", 1)[1], "line 1, version: "),
        ("x: !!python/object:os.system 1", "line 1: could not determine a constructor"),
        ("a: &a [*a]", "nested too deeply"),
        ("x" * 70_000, "larger than 64 KiB"),
    ],
)
def test_a_complaint_names_line_and_field(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(text)
    assert complaint in str(caught.value)
    assert ".greenroom.yml" in str(caught.value)


def test_a_demo_is_a_stage_that_is_seeded_and_nothing_comes_to_by_itself() -> None:
    text = MINIMAL + 'demo:\n  sales:\n    config: {A: b}\n    release: "v2.3.47"\n'
    configuration = parse_configuration(text)
    demo = EnvironmentKey.demo(7, "sales")
    place = configuration.find_stage(demo)
    assert place is not None
    assert (place.seeded, place.automatic, place.after.names, dict(place.config)) == (
        True,
        False,
        (),
        {"A": "b"},
    )
    assert configuration.section_of(demo) == place
    assert configuration.find_stage(EnvironmentKey.stage(7, "sales")) is None
    assert configuration.follows_default_branch
    assert field_line(text, "demo", "sales", "release") == 7


def test_a_host_that_is_not_granted_names_line_field_and_setting() -> None:
    text = ROUTED + "stages:\n  production:\n    host: shop.example.com"
    shop, grants = Repository(7, 1, "acme", "shop"), HostGrants({"acme/shop": ("shop.example.com",)})
    configuration = parse_configuration(text)
    key = EnvironmentKey.stage(7, "production")
    told = host_objection(configuration, text, key, shop, NO_HOSTS)
    assert told is not None
    assert told.startswith(".greenroom.yml, line 7, stages.production.host: shop.example.com is not granted")
    assert "GREENROOM_HOSTS=acme/shop=shop.example.com" in told
    assert host_objection(configuration, text, key, shop, grants) is None


def test_a_billion_laughs_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    with pytest.raises(ConfigurationError, match="repeats too much"):
        parse_configuration(bomb)


def test_a_size_says_only_what_differs_from_the_operators_default() -> None:
    configuration = parse_configuration(MINIMAL + "preview:\n  size: {cpu: 0.5, pods: 5}")
    assert configuration.preview.size.override(Size()) == Size(cpu="0.5", pods="5")


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        ("cpu: 5", "5 is more than the 4 that the operator allows"),
        ("memory: 8193Mi", "8193Mi is more than the 8Gi that the operator allows"),
        ("memory: lots", "a quantity is a number and a unit"),
        ("pods: 0", "it has to be more than nothing"),
        ("pods: true", "a quantity is a number and a unit"),
    ],
)
def test_a_size_above_the_ceiling_is_refused_where_it_stands(size: str, complaint: str) -> None:
    text = MINIMAL + f"preview:\n  size:\n    {size}"
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(text, Size())
    field = size.partition(":")[0]
    assert f".greenroom.yml, line 6, preview.size.{field}: {complaint}" in str(caught.value)


@given(st.text(max_size=300))
def test_no_text_ends_in_anything_but_a_configuration_or_a_complaint(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        parse_configuration(text)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86_400), ("3d", 259_200)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "3", "d", "-3d", "0h", "3 d", "3w", 3, None, "9999999d"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="a duration is"):
        parse_duration(text)


def test_no_soak_may_be_written_down_and_no_life_may_not() -> None:
    read = parse_configuration(MINIMAL + "stages:\n  a: {soak: 0m}")
    assert read.stages["a"].soak == timedelta(0)
    with pytest.raises(ConfigurationError, match=r"preview\.ttl: a duration is"):
        parse_configuration(MINIMAL + "preview: {ttl: 0m}")
