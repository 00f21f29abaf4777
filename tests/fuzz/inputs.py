"""Hostile inputs: valid ones with errors, and noise."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.unit.cluster.manifests import config_map, deployment, service, stateful_set
from tests.webhooks import NAMES, fixture, signed

CANARY = "<img src=x onerror=alert(1)> @acme/everyone [x](https://evil.test) <!-- greenroom preview/1/1 -->"
NASTY = st.sampled_from(
    [
        CANARY,
        "```\n" + CANARY,
        "\0",
        "\ud83d",
        "../../etc/passwd",
        "${HOME}",
        "{{ .Files }}",
        "*a",
        "!!x y",
        "-",
    ]
)
SCALARS = st.one_of(
    NASTY,
    st.text(max_size=30),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10) | NASTY, inner, max_size=4)
    ),
)
KEYS = st.sampled_from(
    [
        "hostNetwork",
        "hostPath",
        "namespace",
        "privileged",
        "kind",
        "items",
        "finalizers",
        "name",
        "port",
        "helm",
    ]
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(deeper for key, child in children for deeper in _paths(child, (*path, key)))]


@st.composite
def changed(draw: st.DrawFn, values: Sequence[Any]) -> Any:
    """One of the values, with up to three replacements, deletions or additions."""
    value = copy.deepcopy(draw(st.sampled_from(values)))
    for _ in range(draw(st.integers(0, 3))):
        *way, last = draw(st.sampled_from(_paths(value)[1:] or [("x",)]))
        place = value
        for key in way:
            place = place[key]
        match draw(st.integers(0, 2)):
            case 0:
                place[last] = draw(JUNK)
            case 1 if isinstance(place, dict):
                del place[last]
            case _ if isinstance(place, dict):
                place[draw(KEYS)] = draw(JUNK)
            case _:
                place.append(draw(JUNK))
        if not isinstance(value, dict) or not value:
            break
    return value


@st.composite
def damaged(draw: st.DrawFn, texts: Sequence[bytes]) -> bytes:
    """One of the texts, with parts overwritten, repeated or truncated."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        piece = draw(st.binary(max_size=8) | NASTY.map(lambda text: text.encode(errors="replace")))
        match draw(st.integers(0, 3)):
            case 0:
                text = text[:at] + piece + text[at + len(piece) :]
            case 1:
                text = text[:at] + piece + text[at:]
            case 2:
                text = text[:at]
            case _:
                text = text[:at] + text[at : at + 40] * draw(st.integers(2, 30)) + text[at:]
    return text


def _yaml(value: Any) -> bytes:
    return json.dumps(value).encode() if _unprintable(value) else yaml.safe_dump(value).encode()


def _unprintable(value: Any) -> bool:
    """PyYAML cannot write lone surrogates; JSON is YAML too."""
    return "\\ud" in json.dumps(value)


_FULL = """\
version: 1
images: {shop: ghcr.io/acme/shop, other: {repository: acme/other, tag: "pr-{sha}"}}
manifests: {plain: deploy/}
route: {service: shop, port: 80}
data: {seed: {image: shop, command: [python, -m, shop.seed], timeout: 90s}}
preview:
  ttl: 3d
  skip: {drafts: true, bots: false, paths_only: ["docs/**"], labels: [no-preview]}
  config: {FEATURE_X: "on"}
  secrets: {STRIPE_KEY: "env:STRIPE_KEY"}
  checks: [{http: /healthz}, {name: smoke, job: {image: shop, command: [pytest, smoke]}}]
"""
_TOOLS = [
    {**yaml.safe_load(_FULL), "manifests": {"kustomize": "deploy/preview"}},
    {**yaml.safe_load(_FULL), "manifests": {"helm": {"chart": "chart", "values": ["a.yaml"]}}},
]
configurations = st.one_of(
    changed([yaml.safe_load(_FULL), *_TOOLS]).map(_yaml),
    damaged([_FULL.encode()]),
    st.binary(max_size=200),
)

_MANIFESTS = [
    deployment(volumes=[{"name": "a", "projected": {"sources": [{"secret": {"name": "s"}}]}}]),
    stateful_set(),
    service(),
    config_map(A="1"),
    {
        "apiVersion": "v1",
        "kind": "List",
        "items": [service("x"), {"apiVersion": "v1", "kind": "List", "items": []}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "r"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    },
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "n"},
        "spec": {"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}]},
    },
]
manifests = st.one_of(changed(_MANIFESTS).map(_yaml), damaged([_yaml(manifest) for manifest in _MANIFESTS]))

_KUSTOMIZATION = {
    "resources": ["../base", "a.yaml"],
    "components": ["../part"],
    "patches": [{"path": "a.yaml"}, {"patch": "- {op: remove, path: /x}"}],
    "configMapGenerator": [{"name": "a", "files": ["a.yaml", "key=a.yaml"], "envs": ["a.yaml"]}],
    "transformers": ["apiVersion: builtin\nkind: PatchTransformer\npath: a.yaml\n", "a.yaml"],
    "openapi": {"path": "a.yaml"},
}
_CHART = {
    "name": "shop",
    "version": "1.0.0",
    "dependencies": [
        {"name": "part", "repository": "file://../part"},
        {"name": "redis", "repository": "https://charts.example.com"},
    ],
}
_REMOTE = st.sampled_from(
    [
        "https://evil.test/x",
        "git@evil.test:a/b",
        "github.com/a/b",
        "oci://evil.test",
        "file:///etc",
        "../../../etc",
    ]
)


@st.composite
def _with_reference(draw: st.DrawFn, value: Any) -> Any:
    """The value, with a text replaced by a reference to another place."""
    changed_value = draw(changed([value]))
    texts = (
        [path for path in _paths(changed_value) if isinstance(_at(changed_value, path), str)]
        if isinstance(changed_value, dict)
        else []
    )
    elsewhere: bool = draw(st.booleans())
    if texts and elsewhere:
        *way, last = draw(st.sampled_from(texts))
        _at(changed_value, tuple(way))[last] = draw(_REMOTE)
    return changed_value


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


kustomizations = _with_reference(_KUSTOMIZATION).map(_yaml) | damaged([_yaml(_KUSTOMIZATION)])
charts = _with_reference(_CHART).map(_yaml) | damaged([_yaml(_CHART)])

_WEBHOOKS = [(fixture(name).event, fixture(name).payload) for name in NAMES]


@st.composite
def payloads(draw: st.DrawFn) -> Any:
    """A signed delivery: a fixture with an error, or noise."""
    event, payload = draw(st.sampled_from(_WEBHOOKS))
    body = draw(
        st.one_of(
            changed([payload]).map(lambda value: json.dumps(value).encode()),
            damaged([json.dumps(payload).encode()]),
            JUNK.map(lambda value: json.dumps(value).encode()),
            st.binary(max_size=100),
        )
    )
    return signed(event, body, draw(st.uuids()).hex)


_COMMANDS = [
    "/preview",
    "/preview refresh",
    "/extend 24h",
    "/destroy",
    "/reseed",
    "/why",
    "/help",
    "/promot staging",
]
_AROUND = [
    "> ",
    "```\n",
    "~~~",
    "<!--",
    "-->",
    "    ",
    "\t",
    "`",
    "<pre>",
    "</pre>",
    "\n",
    "\r",
    "\n\n",
    "\\",
    " ",
    "- ",
]
comments = st.lists(st.sampled_from([*_COMMANDS, *_AROUND]) | NASTY | st.text(max_size=20), max_size=40).map(
    "".join
)
