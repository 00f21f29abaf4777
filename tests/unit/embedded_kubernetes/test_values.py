"""Quantities, orders, selectors and paths."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.embedded.kubernetes.errors import ApiError
from bot.embedded.kubernetes.fields.merge import merge, merged_order, without
from bot.embedded.kubernetes.fields.patches import merge_patch
from bot.embedded.kubernetes.fields.paths import decode, encode, path_set, readable
from bot.embedded.kubernetes.resources import resource_of
from bot.embedded.kubernetes.schema.quantity import amount, canonical
from bot.embedded.kubernetes.schema.types import type_of
from bot.embedded.kubernetes.storage.selectors import parse_labels, selects
from bot.embedded.kubernetes.web.tables import duration


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("1000", "1k"),
        ("1e3", "1e3"),
        ("0", "0"),
        ("-2", "-2"),
        (1, "1"),
        (0.1, "100m"),
    ],
)
def test_quantities_are_stored_in_canonical_form(written: object, stored: str) -> None:
    assert canonical(written) == stored


@given(st.integers(0, 10**9), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_canonical_quantity_is_the_same_amount(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    assert amount(canonical(text)) == amount(text)
    assert canonical(canonical(text)) == canonical(text)


def test_invalid_quantity_is_rejected() -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        canonical("much")
    assert amount("1Ki") == Decimal(1024)


KEYS = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(KEYS, KEYS)
def test_merged_list_keeps_the_applied_order(live: list[str], applied: list[str]) -> None:
    order = merged_order(live, applied)
    assert sorted(order) == sorted({*live, *applied})
    assert [key for key in order if key in applied] == applied
    others = [key for key in live if key not in applied]
    assert [key for key in order if key in others] == others


DEPLOYMENT = type_of(resource_of("deployments", "apps"))


def _with(*names: str) -> dict[str, object]:
    containers = [{"name": name, "image": f"{name}:1"} for name in names]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


@given(KEYS)
def test_managed_fields_survive_encoding(names: list[str]) -> None:
    paths = path_set(_with(*names), DEPLOYMENT)
    assert decode(encode(paths)) == paths


@given(KEYS, KEYS)
def test_removing_applied_items_leaves_the_rest(first: list[str], second: list[str]) -> None:
    added = [name for name in second if name not in first]
    both = merge(_with(*first), _with(*added), DEPLOYMENT)
    containers = ("f:spec", "f:template", "f:spec", "f:containers")
    paths = [(*containers, f'k:{{"name":"{name}"}}') for name in added]
    left = without(both, DEPLOYMENT, paths)
    if first or not added:
        assert left == _with(*first)
    else:
        assert left is None, "containers that are emptied go too"


def test_path_is_readable() -> None:
    path = ("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name")
    assert readable(path) == '.spec.ports[port=80,protocol="TCP"].name'


def test_null_in_a_merge_patch_deletes() -> None:
    assert merge_patch({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}) == {"a": {"c": 2}}


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("app=shop", {"app": "shop"}, True),
        ("app!=shop", {}, True),
        ("app in (shop, web)", {"app": "web"}, True),
        ("app notin (shop)", {"app": "shop"}, False),
        ("app,!old", {"app": "x"}, True),
        ("!app", {"app": "x"}, False),
        ("a=b,c==d", {"a": "b", "c": "e"}, False),
    ],
)
def test_label_selectors(text: str, labels: dict[str, object], expected: bool) -> None:
    assert all(label.matches(labels) for label in parse_labels(text)) is expected


def test_invalid_selector_is_a_bad_request() -> None:
    with pytest.raises(ApiError, match="unable to parse requirement"):
        parse_labels("a in b")


def test_missing_selector_selects_nothing() -> None:
    assert not selects(None, {"a": "b"})
    assert selects({}, {"a": "b"})
    assert not selects({"matchExpressions": [{"key": "a", "operator": "Odd"}]}, {"a": "b"})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "5s"),
        (119, "119s"),
        (125, "2m5s"),
        (660, "11m"),
        (3 * 3600 + 60, "3h1m"),
        (90000, "25h"),
        (200000, "2d7h"),
    ],
)
def test_durations_have_at_most_two_units(seconds: int, text: str) -> None:
    assert duration(seconds) == text
