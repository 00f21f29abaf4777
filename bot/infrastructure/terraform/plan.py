"""Reads a plan as `show -json` writes it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.model.drift import DriftKind, Finding
from bot.model.errors import Rejected
from bot.model.plain_text import plain_text
from bot.model.plan import PlanSummary
from bot.model.secret import keyed_digest

_MAX_ADDRESSES = 2000
_MAX_ADDRESS = 200
_MAX_ATTRIBUTES = 20
_OUTPUTS = "outputs"
"""Placeholder for an address when no resource differs."""
_UNCHANGED = (["no-op"], ["read"])


def plan_summary(text: str) -> PlanSummary:
    """Which resources the plan changes. Raises Rejected for a text that is not a plan."""
    try:
        plan = json.loads(text)
        changes: list[Mapping[str, Any]] = plan.get("resource_changes") or []
        groups: dict[str, list[str]] = {"created": [], "updated": [], "replaced": [], "destroyed": []}
        for change in changes:
            actions = list(change["change"]["actions"])
            if change.get("mode") != "data" and actions not in _UNCHANGED:
                groups[_group(actions)].append(plain_text(str(change["address"]))[:_MAX_ADDRESS])
        outputs = [output["actions"] for output in (plan.get("output_changes") or {}).values()]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Rejected("The plan is not in the format of `show -json`.") from None
    number = sum(map(len, groups.values()))
    if number > _MAX_ADDRESSES:
        raise Rejected(f"The plan changes {number} resources; at most {_MAX_ADDRESSES} are possible.")
    addresses = {name: tuple(listed) for name, listed in groups.items()}
    return PlanSummary(**addresses, outputs=any(actions not in _UNCHANGED for actions in outputs))


def plan_findings(text: str, *, differs: bool) -> tuple[Finding, ...]:
    """How resources differ from the module that was applied. Names attributes, never values.

    `differs`: whether the program reports that the plan changes something.
    """
    summary = plan_summary(text)
    if not differs:
        return ()
    findings = [
        *(Finding(DriftKind.REMOVED, address, resource=True) for address in summary.created),
        *(Finding(DriftKind.ADDED_OBJECT, address, resource=True) for address in summary.destroyed),
    ]
    changes = {
        plain_text(str(change["address"]))[:_MAX_ADDRESS]: change["change"] for change in _managed(text)
    }
    for address in (*summary.updated, *summary.replaced):
        names = _changed_attributes(changes[address]) or ("",)
        findings += [Finding(DriftKind.CHANGED, address, name, resource=True) for name in names]
    if not findings:
        findings = [Finding(DriftKind.CHANGED, _OUTPUTS, resource=True)]
    return tuple(findings)


def _changed_attributes(change: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of attributes with another value; those that are only known after an apply if there is none."""
    sides = [change.get(side) or {} for side in ("before", "after", "after_unknown")]
    before, after, unknown = (side if isinstance(side, Mapping) else {} for side in sides)
    changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    planned = [name for name in changed if not unknown.get(name)]
    return tuple(plain_text(str(name))[:_MAX_ADDRESS] for name in (planned or changed)[:_MAX_ATTRIBUTES])


def _managed(text: str) -> list[Mapping[str, Any]]:
    return [
        change for change in json.loads(text).get("resource_changes") or [] if change.get("mode") != "data"
    ]


def plan_digest(text: str, key: bytes) -> str:
    """Digest of what the plan does, equal for plans that do the same. Keyed, because it covers values.

    What was there before does not count: only the result was judged.
    """
    plan = json.loads(text)
    changes = [
        [change.get("address"), change.get("deposed"), _effect(change["change"])]
        for change in plan.get("resource_changes") or []
        if change.get("mode") != "data" and list(change["change"]["actions"]) not in _UNCHANGED
    ]
    outputs = {
        name: _effect(change)
        for name, change in (plan.get("output_changes") or {}).items()
        if change["actions"] not in _UNCHANGED
    }
    return keyed_digest(key, [changes, outputs])


def _effect(change: Mapping[str, Any]) -> list[Any]:
    return [change.get(name) for name in ("actions", "after", "after_unknown", "replace_paths")]


def _group(actions: list[str]) -> str:
    """An unknown action counts as the most dangerous one."""
    groups = {"create": "created", "update": "updated", "forget": "updated", "delete": "destroyed"}
    return groups.get(actions[0], "destroyed") if len(actions) == 1 else "replaced"
