"""Loading `.greenroom.yml`: what is accepted, and that every error names line and field."""

import contextlib
import json
from datetime import timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.config.loader import field_line, host_objection, parse_configuration
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


def test_minimal_configuration_has_defaults() -> None:
    configuration = parse_configuration(MINIMAL)
    assert configuration.images["shop"].repository == "ghcr.io/acme/shop"
    assert configuration.images["shop"].tag_for("abc") == "abc"
    assert (configuration.manifests.tool, configuration.manifests.plain) == (Tool.PLAIN, ("deploy",))
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
def test_manifests_name_tool_directory_and_values(
    manifests: str, tool: Tool, directory: str, values: tuple[str, ...]
) -> None:
    parsed = parse_configuration(MINIMAL.replace("{plain: deploy/}", manifests)).manifests
    assert (parsed.tool, parsed.directory, parsed.values) == (tool, directory, values)


def test_all_preview_fields() -> None:
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
    ("text", "message"),
    [
        ("", "line 1: expected one mapping that starts with `version: 1`"),
        ("- 1", "line 1: expected one mapping"),
        ("a: [", "line 2: "),
        (MINIMAL + "foo: 1", "line 4, foo: unknown field"),
        (MINIMAL + "route:\n  service: shop\n  port: eighty", "line 6, route.port: "),
        (MINIMAL + "version: 1", "line 4: duplicate key 'version'"),
        (
            MINIMAL + "preview:\n  config:\n    MODE: on",
            "line 6, preview.config.MODE: expected text; put the value in quotes",
        ),
        (MINIMAL + "stages:\n  Staging: {}", "line 5, stages.Staging: a name has at most 30 lower-case"),
        (
            MINIMAL + "stages:\n  staging:",
            "line 5, stages.staging: expected a mapping of fields (`{}` for an empty one)",
        ),
        (MINIMAL + "stages: [a]", "line 4, stages: expected a mapping of names to values"),
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
            "stages.a.approvals.count: must be 1 or more",
        ),
        (MINIMAL + "stages:\n  a: {required: {checks: build}}", "stages.a.required.checks: expected a list"),
        (
            MINIMAL + "stages:\n  a: {checks: [{http: up}]}",
            "stages.a.checks.0.http: a path starts with a slash",
        ),
        (MINIMAL + "preview:\n  ttl: soon", "line 5, preview.ttl: expected a duration"),
        (
            MINIMAL + "preview:\n  checks:\n    - {}",
            "line 6, preview.checks.0: expected exactly one of `http: /path`",
        ),
        (
            MINIMAL + "preview:\n  checks:\n    - {http: /a}\n    - {http: /a}",
            "line 4, preview: two checks are named 'http-a'",
        ),
        (
            MINIMAL.replace("deploy/", "../secrets"),
            "line 3, manifests.plain.0: expected a path inside the repository",
        ),
        (
            MINIMAL.replace("plain", "kustomise"),
            "line 3, manifests.kustomise: unknown field",
        ),
        (
            MINIMAL.replace("{plain: deploy/}", "{plain: a, kustomize: b}"),
            "line 3, manifests: expected exactly one of `plain: DIR`, `kustomize: DIR` and `helm:",
        ),
        (
            MINIMAL.replace("{plain: deploy/}", "{}"),
            "line 3, manifests: expected exactly one of",
        ),
        (
            MINIMAL.replace("{plain: deploy/}", "{helm: ~}"),
            "line 3, manifests: expected exactly one of",
        ),
        (
            MINIMAL.replace("{plain: deploy/}", "{helm: {values: []}}"),
            "helm.chart: required field is missing",
        ),
        (
            MINIMAL.replace("{plain: deploy/}", "{helm: {chart: c, values: [../secret.yaml]}}"),
            "line 3, manifests.helm.values.0: expected a path inside the repository",
        ),
        (
            MINIMAL.replace("acme/shop", "acme/shop/"),
            "line 2, images.shop.repository: invalid image reference",
        ),
        (
            MINIMAL.replace("acme/shop", "Acme/shop"),
            "images.shop.repository: invalid image reference 'ghcr.io/Acme/shop': 'Acme/shop' is not a "
            "repository (lower case, ",
        ),
        (
            MINIMAL.replace("ghcr.io/acme/shop", "{repository: 'ghcr.io/acme/shop:main'}"),
            "line 2, images.shop.repository: expected an image with registry and path, such as "
            "ghcr.io/acme/shop; write the tag as `tag`",
        ),
        (MINIMAL.replace("acme/shop", "acme/shop:latest"), "line 2, images.shop: the tag must contain {sha}"),
        (
            MINIMAL + "stages: {sales: {}}\ndemo:\n  sales: {}",
            "line 6, demo.sales: 'sales' is also the name of a stage: rename one of them",
        ),
        (
            MINIMAL + "demo:\n  pr-7: {}",
            "line 5, demo.pr-7: the name 'pr-7' is reserved for the preview of a pull request",
        ),
        (MINIMAL + "demo:\n  Sales: {}", "line 5, demo.Sales"),
        (
            MINIMAL + "demo:\n  sales: {release: 2.3}",
            "line 5, demo.sales.release: expected text; put",
        ),
        (
            MINIMAL + "demo:\n  sales: {release: not a tag}",
            "line 5, demo.sales.release: expected a release id of 12 digits, a git tag",
        ),
        (MINIMAL + "demo:\n  sales: {after: [staging]}", "demo.sales.after: unknown field"),
        (
            MINIMAL + "stages:\n  staging: {after: [sales]}\ndemo: {sales: {}}",
            "line 5, stages.staging.after: unknown stage 'sales' (other stages: none)",
        ),
        (
            MINIMAL + "demo:\n  sales: {config: {A: b}, secrets: {A: env:A}}",
            "line 5, demo.sales: A is set in both `config` and `secrets`",
        ),
        (ROUTED + "stages:\n  a: {host: shop}", "line 6, stages.a.host: expected a host in lower case"),
        (ROUTED + "stages:\n  a: {host: 'Shop.example.com'}", "stages.a.host: expected a host"),
        (
            ROUTED + "stages:\n  a: {host: 'shop.example.com:80'}",
            "stages.a.host: expected a host",
        ),
        (
            ROUTED + "stages:\n  a: {host: shop.example.com}\n  b:\n    host: shop.example.com",
            "line 8, stages.b.host: shop.example.com is already the host of a",
        ),
        (
            MINIMAL + "stages:\n  a: {host: shop.example.com}",
            "line 5, stages.a.host: a host needs a `route`",
        ),
        ("version: 2\n" + MINIMAL.split("\n", 1)[1], "line 1, version: "),
        ("x: !!python/object:os.system 1", "line 1: the tag 'python/object:os.system' is not supported"),
        ("a: &a [*a]", "line 1: undefined anchor 'a'"),
        ("x" * 70_000, "larger than 64 KiB"),
    ],
)
def test_error_names_line_and_field(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(text)
    assert message in str(caught.value)
    assert ".greenroom.yml" in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("imagez: {}", "imagez: unknown field; did you mean `images`?"),
        ("preview: {skip: {draft: true}}", "preview.skip.draft: unknown field; did you mean `drafts`?"),
        ("preview: {checks: [{htp: /}]}", "preview.checks.0.htp: unknown field; did you mean `http`?"),
        (
            "stages: {a: {approvals: {cont: 1}}}",
            "stages.a.approvals.cont: unknown field; did you mean `count`?",
        ),
        ("data: {seed: {imag: shop}}", "data.seed.imag: unknown field; did you mean `image`?"),
        ("preview: {zzz: 1}", "preview.zzz: unknown field"),
    ],
)
def test_unknown_field_names_a_similar_one(extra: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(f"{MINIMAL}{extra}\n")
    assert f".greenroom.yml, line 4, {message}" in str(caught.value).splitlines()


def test_further_mistakes_are_counted() -> None:
    unknown = "".join(f"  q{number}: 1\n" for number in range(13))
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(f"{MINIMAL}preview:\n{unknown}")
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "and 3 more mistakes"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.sampled_from(["x", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["image", "http", "name", "count"]), inner, max_size=2)
    ),
    max_leaves=4,
)
FIELDS = st.sampled_from(
    ["version", "images", "manifests", "route", "routes", "data", "preview", "stages", "demo"]
)
LIBRARY_WORDS = (
    "input should",
    "valid dictionary",
    "instance of",
    "pydantic",
    "extra inputs",
    "nonetype",
    "is not valid here",
)


@given(FIELDS, VALUES)
def test_messages_have_no_words_of_the_library(field: str, value: object) -> None:
    text = json.dumps({**yaml.safe_load(ROUTED), field: value})
    mistakes = ""
    try:
        parse_configuration(text)
    except ConfigurationError as error:
        mistakes = str(error)
    assert not any(word in mistakes.lower() for word in LIBRARY_WORDS), mistakes


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("route:\n  port: 80\n  service: shop\n", (6, 5)),
        ("route: {service: shop, port: 80}\n", (4, 4)),
        ("routes:\n- {name: web, service: shop, port: 80}\n", (5, 5)),
    ],
)
def test_routes_know_their_lines(text: str, lines: tuple[int, int]) -> None:
    [route] = parse_configuration(MINIMAL + text).routing.routes
    assert (route.service_line, route.port_line) == lines


def test_demo_is_a_seeded_stage_without_automation() -> None:
    text = MINIMAL + 'demo:\n  sales:\n    config: {A: b}\n    release: "v2.3.47"\n'
    configuration = parse_configuration(text)
    demo = EnvironmentKey.demo(7, "sales")
    stage = configuration.find_stage(demo)
    assert stage is not None
    assert (stage.seeded, stage.automatic, stage.after.names, dict(stage.config)) == (
        True,
        False,
        (),
        {"A": "b"},
    )
    assert configuration.section_of(demo) == stage
    assert configuration.find_stage(EnvironmentKey.stage(7, "sales")) is None
    assert configuration.follows_default_branch
    assert field_line(text, "demo", "sales", "release") == 7


def test_unquoted_release_id_with_an_exponent_is_text() -> None:
    text = MINIMAL + "demo: {sales: {release: 4123e5678901}}\n"
    assert parse_configuration(text).demo["sales"].release == "4123e5678901"


def test_single_letters_are_text_and_no_booleans() -> None:
    configuration = parse_configuration(MINIMAL + "preview: {config: {Y: n}}\n")
    assert configuration.preview.config == {"Y": "n"}


def test_host_without_grant_names_line_field_and_setting() -> None:
    text = ROUTED + "stages:\n  production:\n    host: shop.example.com"
    shop, grants = Repository(7, 1, "acme", "shop"), HostGrants({"acme/shop": ("shop.example.com",)})
    configuration = parse_configuration(text)
    key = EnvironmentKey.stage(7, "production")
    objection = host_objection(configuration, text, key, shop, NO_HOSTS)
    assert objection is not None
    assert objection.startswith(".greenroom.yml, line 7, stages.production.host: shop.example.com is not")
    assert "GREENROOM_HOSTS=acme/shop=shop.example.com" in objection
    assert host_objection(configuration, text, key, shop, grants) is None


def test_billion_laughs_is_rejected() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    with pytest.raises(ConfigurationError, match="more than 5000 values"):
        parse_configuration(bomb)


def test_size_overrides_only_the_configured_limits() -> None:
    configuration = parse_configuration(MINIMAL + "preview:\n  size: {cpu: 0.5, pods: 5}")
    assert configuration.preview.size.override(Size()) == Size(cpu="0.5", pods="5")


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("cpu: 5", "5 exceeds the operator's limit of 4"),
        ("memory: 8193Mi", "8193Mi exceeds the operator's limit of 8Gi"),
        ("memory: lots", "expected a quantity"),
        ("pods: 0", "must be greater than zero"),
        ("pods: true", "expected a quantity"),
    ],
)
def test_size_above_the_limit_names_line_and_field(size: str, message: str) -> None:
    text = MINIMAL + f"preview:\n  size:\n    {size}"
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(text, Size())
    field = size.partition(":")[0]
    assert f".greenroom.yml, line 6, preview.size.{field}: {message}" in str(caught.value)


@given(st.text(max_size=300))
def test_any_text_gives_a_configuration_or_an_error(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        parse_configuration(text)


def test_soak_may_be_zero_but_ttl_may_not() -> None:
    configuration = parse_configuration(MINIMAL + "stages:\n  a: {soak: 0m}")
    assert configuration.stages["a"].soak == timedelta(0)
    with pytest.raises(ConfigurationError, match=r"preview\.ttl: expected a duration"):
        parse_configuration(MINIMAL + "preview: {ttl: 0m}")
