"""Reading of manifest files: values, lines and limits."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.cluster.manifests import read
from bot.config.documents import yaml_documents
from bot.config.yaml_text import yaml_text
from bot.model.errors import ManifestRefused
from tests.unit.cluster.manifests import config_map, deployment, service


def read_one(text: str, path: str = "deploy/a.yaml") -> dict[str, object]:
    [source] = read({path: text.encode()}, ["deploy"])
    return source.manifest


def refused(text: str, path: str = "deploy/a.yaml") -> str:
    with pytest.raises(ManifestRefused) as caught:
        read({path: text.encode()}, ["deploy"])
    return str(caught.value)


def data(text: str) -> object:
    return read_one(f"apiVersion: v1\nkind: ConfigMap\ndata:\n{text}")["data"]


def test_read_returns_documents_in_the_order_of_paths():
    sources = read(
        {
            "deploy/b.yaml": b"apiVersion: v1\nkind: B1\n---\n---\napiVersion: v1\nkind: B2\n",
            "deploy/a/deep.yml": b"# a comment\napiVersion: v1\nkind: A\n",
            "deploy/c.json": b'{"apiVersion": "v1",\n\t"kind": "C"}',
            "deploy/README.md": b"no manifest",
            "other/d.yaml": b"apiVersion: v1\nkind: D\n",
        },
        ["./deploy/"],
    )
    assert [(source.file, source.manifest["kind"], source.line()) for source in sources] == [
        ("deploy/a/deep.yml", "A", 2),
        ("deploy/b.yaml", "B1", 1),
        ("deploy/b.yaml", "B2", 5),
        ("deploy/c.json", "C", 1),
    ]


def test_read_ignores_hidden_files_at_the_root():
    sources = read(
        {
            ".greenroom.yml": b"version: 1",
            ".github/workflows/ci.yaml": b"on: push",
            "shop.yaml": b"apiVersion: v1\nkind: S",
        },
        [""],
    )
    assert [source.file for source in sources] == ["shop.yaml"]


def test_read_without_manifests_names_the_directory():
    with pytest.raises(ManifestRefused, match=r"No manifests.*`k8s`"):
        read({"deploy/a.yaml": b""}, ["k8s"])


def test_list_items_keep_their_lines():
    text = """apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: List
    items:
      - apiVersion: v1
        kind: ConfigMap
        metadata: {name: deep}
  - apiVersion: v1
    kind: Secret
"""
    sources = read({"deploy/a.yaml": text.encode()}, ["deploy"])
    assert [(source.manifest["kind"], source.line()) for source in sources] == [
        ("ConfigMap", 7),
        ("Secret", 10),
    ]
    assert sources[0].line(("metadata", "name")) == 9


def test_nested_lists_are_limited():
    nested: object = config_map()
    for _ in range(6):
        nested = {"apiVersion": "v1", "kind": "List", "items": [nested]}
    assert "nested at most three deep" in refused(json.dumps(nested), "deploy/a.json")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("y", True),
        ("N", False),
        ("yEs", "yEs"),
        ("Off", False),
        ("0644", 420),
        ("0o644", 420),
        ("0O17", 15),
        ("-0b11", -3),
        ("0x1F", 31),
        ("0x1g", "0x1g"),
        ("1_000", 1000),
        ("_1", "_1"),
        ("1_", 1),
        (".1_0", 0.1),
        ("1e3", 1000),
        ("3.0", 3),
        (".5", 0.5),
        ("1.5_0", 1.5),
        (".", "."),
        ("1e400", "1e400"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("2001-1", "2001-1"),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("'y'", "y"),
        ("!!str 5", "5"),
        ("!!str y", "y"),
        ("!!int '5'", 5),
        ("!!bool n", False),
        ("1.2.3", "1.2.3"),
        ("0899", 899),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709551616.0),
        ("0x10000000000000000", "0x10000000000000000"),
    ],
)
def test_scalars_are_resolved_as_by_kubernetes(text: str, value: object):
    """The values are what `YAMLToJSON` of sigs.k8s.io/yaml 1.6.0 returns."""
    values = data(f"  a: {text}")
    assert values == {"a": value}
    assert isinstance(values, dict)
    assert type(values["a"]) is type(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("8080", "8080"),
        ("true", "true"),
        ("y", "true"),
        ("'y'", "y"),
        ("Off", "false"),
        ("010", "8"),
        ("1.0", "1"),
        ("1.10", "1.1"),
        ("1e6", "1e+06"),
        ("123456.5", "123456.5"),
        ("1e-7", "1e-07"),
        ("16777217.0", "1.6777216e+07"),
        ("1e300", ".inf"),
    ],
)
def test_keys_are_converted_to_strings_as_by_kubernetes(key: str, text: str):
    assert data(f"  {key}: a") == {text: "a"}


@given(st.text(alphabet="0123456789+-._eExXoObBaAfFyYnN~tTrRuUsSlL", max_size=8))
def test_rendered_text_is_read_as_the_same_text(text: str):
    """What `greenroom render` prints can be piped to kubectl."""
    [document] = yaml_documents(yaml_text({"a": text, text: "b"}))
    assert document.value == {"a": text, text: "b"} or text == "a"


def test_anchors_and_merges():
    assert data("  a: &x {k: 1, l: 2}\n  b: {<<: *x, l: 3}\n  c: *x") == {
        "a": {"k": 1, "l": 2},
        "b": {"k": 1, "l": 3},
        "c": {"k": 1, "l": 2},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "deploy/a.yaml:3: duplicate key 'a'."),
        ("a: *unknown", "deploy/a.yaml:1: undefined anchor 'unknown'."),
        ("a: &a [*a]", "deploy/a.yaml:1: undefined anchor 'a'."),
        ("a:\n  - !!python/object:os.system x", "deploy/a.yaml:2: the tag 'python/object:os.system'"),
        ("a: !secret {x: 1}", "deploy/a.yaml:1: the tag '!secret' is not supported."),
        ("a: .nan", "deploy/a.yaml:1: a number must be finite."),
        ("? [a]\n: b", "deploy/a.yaml:1: a key must be plain text."),
        ("a: {<<: 5}", "deploy/a.yaml:1: `<<` requires a mapping"),
        ("a: b\n c: d", "deploy/a.yaml:2: "),
        ("a: [", "deploy/a.yaml:"),
        ("a: \x07", "deploy/a.yaml: the file contains characters that YAML does not allow."),
        ("- a", "deploy/a.yaml:1: expected a Kubernetes object"),
        ("kind: Service", "deploy/a.yaml:1: the object has no `apiVersion`."),
        ("apiVersion: v1\nkind: 5", "deploy/a.yaml:1: the object has no `kind`."),
        ("apiVersion: v1\nkind: List\nitems: 5", "deploy/a.yaml:1: `items` must be a list"),
    ],
)
def test_invalid_yaml_is_refused_with_file_and_line(text: str, message: str):
    assert refused(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n"a": 2}', "duplicate key"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{\n"a": }', "deploy/a.json:2: invalid JSON"),
        ("[" * 100_000, "nested deeper"),
    ],
)
def test_invalid_json_is_refused(text: str, message: str):
    assert message in refused(text, "deploy/a.json")


def test_other_encodings_are_refused():
    with pytest.raises(ManifestRefused, match="not UTF-8"):
        read({"deploy/a.yaml": "kind: Ä".encode("latin-1")}, ["deploy"])


def _laughs() -> str:
    rows = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    rows += [
        f"{name}: &{name} [{','.join(['*' + before] * 9)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    return "\n".join(rows)


@pytest.mark.parametrize(
    "text",
    [
        _laughs(),
        "a: &x '" + "y" * 900_000 + "'\nb: [" + ",".join(["*x"] * 2000) + "]",
        "[" * 1_000_000,
        "{a: " * 1_000_000,
        "- \n" * 1_000_000,
        "a: " + "x" * 3_000_000,
        "--- \n{apiVersion: v1, kind: ConfigMap}\n" * 10_000,
        "x: 1\n" * 900_000,
    ],
    ids=[
        "laughs",
        "long-aliases",
        "deep-list",
        "deep-map",
        "many-values",
        "long-value",
        "many-objects",
        "long",
    ],
)
def test_expansion_bombs_are_refused_quickly(text: str):
    started = time.perf_counter()
    refused(text)
    assert time.perf_counter() - started < 5


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(content: bytes):
    for path in ("deploy/a.yaml", "deploy/a.json"):
        with contextlib.suppress(ManifestRefused):
            read({path: content}, ["deploy"])


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_dumped_yaml_is_parsed_to_the_same_values(value: object):
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "data": value}
    quoted = yaml.safe_dump(manifest, default_style='"', allow_unicode=True)
    for path, text in (("deploy/a.yaml", quoted), ("deploy/a.json", json.dumps(manifest))):
        assert read_one(text, path) == manifest


def test_real_manifests_parse_as_with_pyyaml():
    manifests = [deployment(), service(), config_map(A="1")]
    text = yaml.safe_dump_all(manifests)
    assert [source.manifest for source in read({"deploy/a.yaml": text.encode()}, ["deploy"])] == manifests


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("1" * 5000, "at most 64 bits"),
        ("-9223372036854775809", "at most 64 bits"),
        ("18446744073709551616", "at most 64 bits"),
        ("1e999", "must be finite"),
        ("-1e999", "must be finite"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('{"a/\\udfff": ""}', "half of a surrogate pair"),
    ],
)
def test_json_values_outside_of_kubernetes_types_are_refused_with_their_line(
    value: str, problem: str
) -> None:
    text = f'{{"apiVersion": "v1",\n"kind": "ConfigMap",\n"data":\n{value}}}'
    with pytest.raises(ManifestRefused, match=problem) as caught:
        read({"deploy/a.json": text.encode()}, ["deploy"])
    assert str(caught.value).startswith("deploy/a.json:4: ")


def test_json_text_may_contain_surrogate_pairs_and_64_bits() -> None:
    text = r'{"apiVersion": "v1", "kind": "ConfigMap", "data": ["\ud83d\ude00", 18446744073709551615, 1e300]}'
    (source,) = read({"deploy/a.json": text.encode()}, ["deploy"])
    assert source.manifest["data"] == ["😀", 2**64 - 1, 1e300]
