"""Plans and states as Terraform and OpenTofu write them."""

from __future__ import annotations

import gzip
import json

import pytest

from bot.infrastructure.terraform.plan import plan_digest, plan_findings, plan_summary
from bot.infrastructure.terraform.state import read_state
from bot.model.drift import DriftKind
from bot.model.errors import Rejected


def change(address: str, *actions: str, mode: str = "managed") -> dict[str, object]:
    return {
        "address": address,
        "mode": mode,
        "change": {"actions": actions, "before": {"password": "secret"}, "after": {"password": "secret"}},
    }


def test_summary_names_addresses_by_action_and_no_value() -> None:
    changes = [
        change("a.created", "create"),
        change("a.updated", "update"),
        change('a.replaced["x"]', "delete", "create"),
        change("a.replaced_first", "create", "delete"),
        change("a.destroyed", "delete"),
        change("a.same", "no-op"),
        change("data.a.read", "read", mode="data"),
        change("a.future", "some-new-action"),
    ]
    summary = plan_summary(json.dumps({"resource_changes": changes, "output_changes": {}}))
    assert summary.created == ("a.created",)
    assert summary.updated == ("a.updated",)
    assert summary.replaced == ('a.replaced["x"]', "a.replaced_first")
    assert summary.destroyed == ("a.destroyed", "a.future")
    assert "secret" not in repr(summary)


def test_plan_without_changes_is_empty_unless_an_output_changes() -> None:
    same = {"resource_changes": [change("a.same", "no-op")], "output_changes": {"x": {"actions": ["no-op"]}}}
    assert plan_summary(json.dumps(same)).is_empty
    same["output_changes"] = {"x": {"actions": ["update"]}}
    assert not plan_summary(json.dumps(same)).is_empty


def planned(*changes: object, **fields: object) -> str:
    return json.dumps({"resource_changes": changes, "timestamp": "2026-03-04T12:00:00Z", **fields})


def test_digest_is_that_of_what_a_plan_does() -> None:
    update = change("a.updated", "update")
    digest = plan_digest(planned(update), b"key")
    assert plan_digest(planned(update, change("a.same", "no-op"), timestamp="later"), b"key") == digest
    other = json.loads(json.dumps(update))
    other["change"]["before"] = {"password": "earlier"}
    assert plan_digest(planned(other), b"key") == digest, "only the result was judged"
    other["change"]["after"] = {"password": "another"}
    assert plan_digest(planned(other), b"key") != digest
    assert plan_digest(planned(change("a.updated", "delete", "create")), b"key") != digest
    assert plan_digest(planned(update, output_changes={"x": {"actions": ["update"]}}), b"key") != digest
    assert plan_digest(planned(update), b"another key") != digest, "it cannot be guessed from values"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"resource_changes": [{}]}', '{"resource_changes": 3}'])
def test_other_texts_are_no_plans(text: str) -> None:
    with pytest.raises(Rejected):
        plan_summary(text)


def test_plan_with_too_many_changes_is_refused() -> None:
    changes = [change(f"a.a{number}", "create") for number in range(2001)]
    with pytest.raises(Rejected, match="2001 resources"):
        plan_summary(json.dumps({"resource_changes": changes}))


def state(**fields: object) -> bytes:
    return gzip.compress(json.dumps({"version": 4, "outputs": {}, "resources": [], **fields}).encode())


def test_outputs_are_texts_or_json() -> None:
    outputs = {"a": {"value": "x"}, "b": {"value": [1, "y"]}, "c": {"value": True, "sensitive": True}}
    read = read_state(state(outputs=outputs)).outputs
    assert {name: (output.value, output.sensitive) for name, output in read.items()} == {
        "a": ("x", False),
        "b": ('[1,"y"]', False),
        "c": ("true", True),
    }


def test_only_managed_resources_count() -> None:
    assert read_state(state()).resources == 0
    resources = [
        {"mode": "data", "instances": [{}]},
        {"mode": "managed", "instances": []},
        {"mode": "managed", "instances": [{}, {}]},
    ]
    assert read_state(state(resources=resources)).resources == 2


@pytest.mark.parametrize(
    ("compressed", "message"),
    [
        pytest.param(b"", "format", id="empty"),
        pytest.param(b"text", "format", id="not compressed"),
        pytest.param(gzip.compress(b"[]"), "format", id="a list"),
        pytest.param(state(version=3), "format", id="another version"),
        pytest.param(state(resources=None), "format", id="no resources"),
        pytest.param(gzip.compress(b'{"encrypted_data": "x"}'), "encrypted", id="encrypted"),
    ],
)
def test_state_that_cannot_be_read_is_not_empty(compressed: bytes, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        read_state(compressed)


def test_findings_name_attributes_and_no_value() -> None:
    before = {"id": "secret-1", "size": "secret-2", "name": "same", "output": "secret-3"}
    after = {"id": "secret-1", "size": "secret-4", "name": "same"}
    effect = {"actions": ["update"], "before": before, "after": after, "after_unknown": {"output": True}}
    unknown = {
        "actions": ["update"],
        "before": {"output": "x"},
        "after": {},
        "after_unknown": {"output": True},
    }
    text = planned(
        {"address": "a.updated", "mode": "managed", "change": effect},
        {"address": "a.unknown", "mode": "managed", "change": unknown},
        change("a.missing", "create"),
        change("a.extra", "delete"),
        change("data.a.read", "read", mode="data"),
    )
    findings = plan_findings(text, differs=True)
    assert [(item.kind, item.object, item.path) for item in findings] == [
        (DriftKind.REMOVED, "a.missing", ""),
        (DriftKind.ADDED_OBJECT, "a.extra", ""),
        (DriftKind.CHANGED, "a.updated", "size"),
        (DriftKind.CHANGED, "a.unknown", "output"),
    ]
    assert all(item.resource for item in findings)
    assert "secret" not in repr(findings)


def test_exit_code_decides_whether_something_differs() -> None:
    assert plan_findings(planned(), differs=False) == ()
    [outputs] = plan_findings(planned(output_changes={"x": {"actions": ["update"]}}), differs=True)
    assert outputs.object == "outputs"
    with pytest.raises(Rejected):
        plan_findings("", differs=False)
