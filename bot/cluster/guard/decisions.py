"""Decisions on fields of manifests: allowed, removed with a note, replaced with a note, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bot.cluster.node import Node
from bot.cluster.policy import ClusterPolicy


@dataclass(frozen=True, slots=True)
class Scope:
    """Values besides the field itself on which a decision depends."""

    namespace: str
    policy: ClusterPolicy
    runtime: tuple[str, ...] = ()
    """How applications of the repository may read secrets themselves."""
    of_stage: bool = False
    """Whether the environment is a stage, which must not run without its data unnoticed."""


@dataclass(frozen=True, slots=True)
class Remove:
    """The application works without the field.

    `reason` completes the note "Removed FIELD: REASON."; without a reason there is no note.
    """

    reason: str
    of_empty: bool = False
    """Whether the removal of an empty value needs the note as well, because it has an effect of its own."""


@dataclass(frozen=True, slots=True)
class Replace:
    value: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The object is not applied. `reason` completes the message "FIELD: REASON."."""

    reason: str
    by_value: bool = False
    """Whether GREENROOM_ALLOWED_FIELDS overrides the refusal only with this very value."""


Outcome = Remove | Replace | Refuse | None
"""None: the value is allowed."""
Rule = Callable[[Node, Scope], Outcome]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A rule that GREENROOM_ALLOWED_FIELDS cannot override."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Field:
    """What the guard knows about a field of a Kubernetes type."""

    container: str = ""
    """`[]` for a list, `{}` for a map, "" for a single value."""
    type: str | None = ""
    """Name of the Kubernetes type of the values; "" for scalars, None if the content is not examined."""
    rule: Rule | None = None
    """Judges each value; None allows them. Fields of the values' type have their own decisions."""
    fixed: bool = False
    """Whether GREENROOM_ALLOWED_FIELDS cannot override the rule."""


Fields = Mapping[str, Field]
_FIELD = re.compile(r"(?P<name>\w+)(?P<container>\[\]|\{\})?(:(?P<type>\w+))?")


def fields(allowed: str, **rules: Rule | Fixed) -> Fields:
    """The fields of a type: `replicas template:PodTemplateSpec volumes[]:Volume labels{}`.

    `rules` judge fields of the text, and further fields whose content is not examined.
    """
    described = {name: _field(rule, type_name=None) for name, rule in rules.items()}
    for text in allowed.split():
        match = _FIELD.fullmatch(text)
        if match is None:
            raise ValueError(f"invalid field: {text}")
        name = match["name"]
        described[name] = _field(rules.get(name), match["type"] or "", match["container"] or "")
    return described


def _field(rule: Rule | Fixed | None, type_name: str | None, container: str = "") -> Field:
    if isinstance(rule, Fixed):
        return Field(container, type_name, rule.rule, fixed=True)
    return Field(container, type_name, rule)


def remove(reason: str, *, unless: Collection[object] = ()) -> Rule:
    """Removes the field unless it has one of the harmless values."""
    return lambda node, _: None if node.value in unless else Remove(reason)


def refuse(reason: str, *, unless: Collection[object] = ()) -> Rule:
    """Refuses the object unless the field has one of the harmless values."""
    return lambda node, _: None if node.value in unless else Refuse(reason)


def key_of(node: Node) -> str:
    """The key of a value in a map."""
    return str(node.path[-1])
