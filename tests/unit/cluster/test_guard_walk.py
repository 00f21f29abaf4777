"""Random objects of all allowed kinds: whatever the guard keeps, it would keep again."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.cluster.client.kinds import IN_MANIFESTS
from bot.cluster.guard.decisions import Field, Scope
from bot.cluster.guard.kind_fields import TYPES
from bot.cluster.guard.walk import Walk
from bot.cluster.node import Node
from tests.unit.cluster.manifests import NAMESPACE, POLICY

SCALARS: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        10**9,
        "",
        "None",
        "linux",
        "greenroom.dev/x",
        "10.0.0.0/8",
        [],
        {},
        [None],
        {"a": []},
    ]
)
KEYS = st.sampled_from(["app", "cpu", "example.com/x", "greenroom.dev/x", "kubernetes.io/os", "checksum/a"])
DEPTH = 6


@st.composite
def objects(draw: st.DrawFn, type_name: str, depth: int = DEPTH) -> dict[str, Any]:
    """An object of a type with some of its fields, sometimes with an unknown one."""
    described = TYPES[type_name]
    names = draw(st.lists(st.sampled_from(sorted(described)), max_size=5, unique=True))
    value = {name: draw(_contents(described[name], depth)) for name in names}
    return {**value, "unknown": 1} if draw(st.integers(0, 9)) == 0 else value


def _contents(field: Field, depth: int) -> st.SearchStrategy[Any]:
    single = objects(field.type, depth - 1) if field.type and depth else SCALARS
    if field.container == "[]":
        return st.lists(single, max_size=2) | SCALARS
    if field.container == "{}":
        return st.dictionaries(KEYS, single, max_size=3) | SCALARS
    return single | SCALARS


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    """The value at a path; KeyError or IndexError if the path leads nowhere."""
    for part in path:
        value = value[part]
    return value


@settings(max_examples=300)
@given(st.data(), st.sampled_from([kind.name for kind in IN_MANIFESTS]))
def test_kept_content_is_allowed_and_the_rest_is_reported(data: st.DataObject, kind: str) -> None:
    manifest = data.draw(objects(kind))
    before = copy.deepcopy(manifest)
    first = Walk(TYPES, Scope(NAMESPACE, POLICY))
    kept = first.clean(Node(manifest), kind)
    assert manifest == before
    second = Walk(TYPES, Scope(NAMESPACE, POLICY))
    assert second.clean(Node(kept), kind) == kept
    assert (second.refused, second.changed) == ([], [])
    for finding in [*first.refused, *(change.finding for change in first.changed)]:
        _at(manifest, finding.path)
    if not first.refused and not first.changed:
        assert _without_empty(kept) == _without_empty(manifest)


def _without_empty(value: Any) -> Any:
    """The value without empty fields, which the guard removes without a note."""
    if isinstance(value, dict):
        contents = {key: _without_empty(content) for key, content in value.items()}
        return {key: content for key, content in contents.items() if content not in (None, "", [], {})}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value
