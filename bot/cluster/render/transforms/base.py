"""What all transforms share: their types, and access to values of untrusted objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cluster.manifests import Source
from bot.cluster.policy import ClusterPolicy
from bot.model.manifest import RenderRequest
from bot.model.notes import Note

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """All that a transform may depend on besides the objects."""

    request: RenderRequest
    policy: ClusterPolicy


SourceTransform = Callable[[Sequence[Source], Context], tuple[list[Source], list[Note]]]
"""Runs before the guard, on objects whose shape is unknown: read them with `mapping` and `items`.
It may change them."""
ObjectTransform = Callable[[Sequence[Object], Context], tuple[list[Object], list[Note]]]
"""Runs after the guard, on objects with the shape that Kubernetes requires, which it may change."""


def mapping(value: Any, *keys: str) -> Object:
    """The mapping below `keys`; an empty one when it is absent or has another type."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def created(parent: Object, key: str) -> Object:
    """The mapping at `key` of a guarded object, created when it is absent or null."""
    if parent.get(key) is None:
        parent[key] = {}
    value: Object = parent[key]
    return value


def text(value: Any) -> str:
    """The string; "" when it is absent or has another type."""
    return value if isinstance(value, str) else ""


def name_of(source: Source) -> str:
    return text(mapping(source.manifest, "metadata").get("name"))


def subject(source: Source) -> str:
    """Kind and name of an unguarded object for notes."""
    return f"{source.manifest['kind']}/{name_of(source) or '(unnamed)'}"
