"""Applies the decisions on fields to an object. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.cluster.guard.decisions import Field, Fields, Outcome, Refuse, Remove, Replace, Scope
from bot.cluster.node import Finding, InvalidShape, Node

_REMOVED = object()
_MAX_SUGGESTIONS = 10
"""Suggestions for one object: comparing names takes time."""
_LONGEST_NAME = 64
_EMPTY: tuple[object, ...] = ("", [])


@dataclass(frozen=True, slots=True)
class Change:
    """A field that was removed, or replaced by `value`."""

    finding: Finding
    value: Any = None


@dataclass(frozen=True, slots=True)
class Walk:
    """One pass over an object: collects refusals and changes, and returns the allowed content."""

    types: Mapping[str, Fields]
    scope: Scope
    refused: list[Finding] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)

    def clean(self, node: Node, type_name: str) -> dict[str, Any]:
        """The allowed fields of an object of the type. Does not change the object."""
        decisions = self.types[type_name]
        kept: dict[str, Any] = {}
        for name, value in node.pairs():
            if name not in decisions:
                suggest = len(self.refused) < _MAX_SUGGESTIONS and len(name) <= _LONGEST_NAME
                similar = difflib.get_close_matches(name, decisions, n=1) if suggest else []
                self.refused.append(value.finding(_unknown(type_name, similar)))
                continue
            try:
                content = self._field(value, decisions[name], f"{type_name}.{name}")
            except InvalidShape as error:
                self.refused.append(error.finding)
                continue
            if content is not _REMOVED:
                kept[name] = content
        return kept

    def content_of(self, node: Node, type_name: str, name: str) -> Any:
        """The allowed content of one field of the type, wherever the node is."""
        content = self._field(node, self.types[type_name][name], f"{type_name}.{name}")
        return None if content is _REMOVED else content

    def _field(self, node: Node, described: Field, name: str) -> Any:
        if node.value is None:
            return _REMOVED if described.type is None else None
        if described.container == "[]":
            items = [self._value(item, described, name) for item in node.items()]
            return [item for item in items if item is not _REMOVED]
        if described.container == "{}":
            entries = {key: self._value(value, described, name) for key, value in node.pairs()}
            return {key: value for key, value in entries.items() if value is not _REMOVED}
        return self._value(node, described, name)

    def _value(self, node: Node, described: Field, name: str) -> Any:
        match self._outcome(node, described, name):
            case Refuse(reason):
                self.refused.append(node.finding(reason))
                return _REMOVED
            case Remove(reason, of_empty):
                if reason and (of_empty or described.container or node.value not in _EMPTY):
                    self.changed.append(Change(node.finding(reason)))
                return _REMOVED
            case Replace(value, reason):
                self.changed.append(Change(node.finding(reason), value))
                return value
        if described.type is None:
            return node.value
        if described.type:
            return self.clean(node, described.type)
        if isinstance(node.value, dict | list):
            raise InvalidShape(node.path, "a single value")
        return node.value

    def _outcome(self, node: Node, described: Field, name: str) -> Outcome:
        outcome = described.rule(node, self.scope) if described.rule else None
        if isinstance(outcome, Refuse | Remove) and not described.fixed:
            allowed = self.scope.policy.allowed_fields.get(name)
            by_value = isinstance(outcome, Refuse) and outcome.by_value
            if allowed is not None and ((not allowed and not by_value) or str(node.value) in allowed):
                return None
        return outcome


def _unknown(type_name: str, similar: Sequence[str]) -> str:
    suggestion = f"; did you mean `{similar[0]}`?" if similar else ""
    return f"Kubernetes has no such field in a {type_name}{suggestion}"
