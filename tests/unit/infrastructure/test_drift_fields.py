"""Differences of objects, whatever they contain."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bot.infrastructure.drift.exceptions import WELL_KNOWN, Exceptions
from bot.infrastructure.drift.fields import MISSING, Path, differences, lookup, members, path_text, pointer
from bot.infrastructure.drift.inventory import Declared, DryRun, Live, compare_namespace
from bot.infrastructure.drift.objects import Rules, compare_object, needs_dry_run, undeclared_paths
from bot.model.drift import DriftKind
from tests.unit.infrastructure.drift_objects import REVISION, RULES, deployed, manifest, written_by

_NAMES = st.sampled_from(["a", "b", "c", "web", "env", "ports", "data", "x/y", "k~1"])
_SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text("abc", max_size=3)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)
_OBJECTS = st.dictionaries(_NAMES, _VALUES, max_size=4)


def leaves(value: Any, path: Path = ()) -> list[Path]:
    inside = members(value, path)
    if not inside:
        return [path] if path else []
    return [leaf for name, item in inside.items() for leaf in leaves(item, (*path, name))]


@given(_OBJECTS)
def test_equal_objects_have_no_differences(value: Any):
    assert list(differences(value, copy.deepcopy(value))) == []


@given(_OBJECTS, _OBJECTS)
def test_different_objects_have_differences_at_paths_of_one_of_them(left: Any, right: Any):
    results = list(differences(left, right))
    assert bool(results) == (left != right or repr(left) != repr(right))
    for item in results:
        for side, value in ((left, item.expected), (right, item.actual)):
            at = lookup(side, item.path)
            assert value is MISSING or at == value or isinstance(at, list), item


@given(_OBJECTS, st.data())
def test_every_changed_leaf_is_found_at_its_path(value: Any, data: st.DataObject):
    paths = leaves(value)
    if not paths:
        return
    path = data.draw(st.sampled_from(paths))
    changed = copy.deepcopy(value)
    parent = changed if len(path) == 1 else lookup(changed, path[:-1])
    key: Any = (
        path[-1] if isinstance(parent, dict) else list(members(parent, path[:-1]) or {}).index(path[-1])
    )
    parent[key] = "a value of its own"
    for declared_only in (False, True):
        results = [item.path for item in differences(value, changed, declared_only=declared_only)]
        assert any(path[: len(item)] == item for item in results), "at the path, or at what contains it"


@given(_OBJECTS)
def test_pointers_lead_to_the_values_of_paths(value: Any):
    for path in leaves(value):
        results: Any = value
        for part in (pointer(value, path) or "").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            results = results[int(key)] if isinstance(results, list) else results[key]
        assert results == lookup(value, path)


def test_items_of_lists_are_known_by_their_keys():
    left = {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}], "rules": [{"a": 1}, {"a": 2}]}
    right = {"ports": [{"port": 53, "protocol": "UDP", "name": "dns"}, {"port": 80}], "rules": [{"a": 2}]}
    results = {path_text(item.path) for item in differences(left, right)}
    assert results == {"ports", "ports[53/UDP].name", "rules[0].a", "rules[1]"}


def test_path_texts():
    path = ("metadata", "annotations", "example.com/a")
    assert path_text(path) == "metadata.annotations[example.com/a]"
    assert path_text(("spec", "containers", "[web]", "image")) == "spec.containers[web].image"


@given(st.sampled_from(["requests", "selector", "replicas"]), st.integers(1, 3), st.text("abc", max_size=4))
def test_what_was_declared_and_is_live_has_not_drifted(field: str, number: int, text: str):
    declared = manifest(spec={field: {"a": text}, "replicas": number})
    live = deployed(declared, defaults={"revisionHistoryLimit": 10, "strategy": {"type": "RollingUpdate"}})
    assert not needs_dry_run(declared, live, RULES)
    assert compare_object(declared, live, RULES) == []


@given(
    st.sampled_from(["kubectl-edit", "greenroom", "", "kube-controller-manager"]), st.text("ab/.", max_size=9)
)
def test_added_field_is_found_under_any_manager(manager: str, value: str):
    declared = manifest(spec={"replicas": 1})
    live = written_by(deployed(declared), manager, ("spec", "paused"), value)
    assert undeclared_paths(declared, live, RULES) == [("spec", "paused")]
    results = compare_object(declared, live, RULES)
    assert [(item.kind, item.path) for item in results] == [(DriftKind.ADDED_FIELD, "spec.paused")]


def test_rules_except_fields_with_everything_in_them_and_objects():
    exceptions = Exceptions.with_more(
        ["ConfigMap/trust-*", "Deployment:spec.paused", "*:metadata.labels[x/**]"]
    )
    assert exceptions.allow_object("ConfigMap", "trust-bundle")
    assert exceptions.allow_object("ConfigMap", "kube-root-ca.crt")
    assert not exceptions.allow_object("Secret", "trust-bundle")
    assert exceptions.allow_field("Deployment", ("spec", "paused"))
    assert not exceptions.allow_field("StatefulSet", ("spec", "paused"))
    assert exceptions.allow_field("Service", ("metadata", "labels", "x/y/z"))
    assert exceptions.allow_field("Pod", ("spec", "containers", "[istio-proxy]", "image"))
    assert not exceptions.allow_field(
        "Deployment", ("spec", "template", "spec", "containers", "[istio-proxy]")
    )


@pytest.mark.parametrize("rule", WELL_KNOWN)
def test_well_known_rules_are_valid_settings(rule: str):
    from bot.settings.values import _drift_rules

    assert _drift_rules(rule) == (rule,)


def test_unknown_is_never_clean():
    declared = manifest(spec={"replicas": 1})
    rules = Rules("greenroom", REVISION, b"key", Exceptions())
    blind = compare_namespace(Declared((declared,)), Live((), {"Deployment": "refused"}), {}, rules)
    assert (blind.findings, [item.subject for item in blind.unreadable]) == ((), ["Deployment"])
    refused = {("Deployment", "shop"): DryRun(problem="refused")}
    results = compare_namespace(Declared((declared,)), Live((deployed(declared),)), refused, rules)
    assert [item.subject for item in results.unreadable] == ["Deployment/shop"]
    disowned = deployed(declared)
    disowned["metadata"].pop("managedFields")
    results = compare_namespace(Declared((declared,)), Live((disowned,)), {}, rules)
    assert [item.subject for item in results.unreadable] == ["Deployment/shop"]
