"""Objects of kinds that the operator allows: their metadata and references are judged, under any name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.cluster.guard.walk import Walk
from bot.cluster.names import OWN_NAME, is_reserved_name
from bot.cluster.node import InvalidShape, Node
from bot.cluster.policy import ClusterPolicy
from bot.settings import CustomKind

_RESERVED = "names that begin with `greenroom` are reserved, also in references"
_DEEPEST = 60
_MAPS = {"annotation": "annotations", "annotations": "annotations", "label": "labels", "labels": "labels"}
_LISTS = {"finalizers": "finalizers", "ownerReferences": "ownerReferences"}
"""Fields of `metadata` that such kinds also have elsewhere, for objects that their controllers create."""
_SEPARATORS = re.compile("[/:]")
"""Separators in references such as NAMESPACE/NAME."""


def allowed_kind(manifest: Any, policy: ClusterPolicy) -> CustomKind | None:
    """The kind of the object among those that the operator allows."""
    given = (manifest.get("apiVersion"), manifest.get("kind"))
    return next((kind for kind in policy.allowed_kinds if (kind.api_version, kind.kind) == given), None)


def clean_custom(manifest: Node, walk: Walk) -> dict[str, Any]:
    """The object without status.

    Each `metadata` in it is judged like that of other objects, and so are fields such as
    `inheritedMetadata.labels` and `serviceAnnotations`.
    """
    return {name: _cleaned(value, walk, name) for name, value in manifest.pairs() if name != "status"}


def _cleaned(node: Node, walk: Walk, name: str) -> Any:
    if len(node.path) > _DEEPEST:
        raise InvalidShape(node.path, f"at most {_DEEPEST} levels")
    if isinstance(node.value, list) and (field := _ending(name, _LISTS)):
        return walk.content_of(node, "ObjectMeta", field)
    if isinstance(node.value, dict):
        if field := _ending(name, _MAPS):
            return _cleaned_map(node, walk, field)
        if name == "metadata":
            return walk.clean(node, "ObjectMeta")
        for key, value in node.pairs():
            _require_unreserved(str(key), value, walk)
        return {key: _cleaned(value, walk, str(key)) for key, value in node.pairs()}
    if isinstance(node.value, list):
        places = (Node(value, (*node.path, index)) for index, value in enumerate(node.value))
        return [_cleaned(place, walk, "") for place in places]
    if isinstance(node.value, str):
        _require_unreserved(node.value, node, walk)
    return node.value


def _require_unreserved(text: str, node: Node, walk: Walk) -> None:
    parts = _SEPARATORS.split(text)
    if is_reserved_name(text) or any(part.startswith(f"{OWN_NAME}-") for part in parts):
        walk.refused.append(node.finding(_RESERVED))


def _cleaned_map(node: Node, walk: Walk, field: str) -> dict[str, Any]:
    """Labels or annotations. Fields of the same name with other content are fields like others."""
    texts = {key: value for key, value in node.value.items() if isinstance(value, str)}
    others = {key: _cleaned(value, walk, "") for key, value in node.pairs() if key not in texts}
    return {**walk.content_of(Node(texts, node.path), "ObjectMeta", field), **others}


def _ending(name: str, fields: Mapping[str, str]) -> str:
    """The field of `metadata` that a field is by its name; "" for others, such as selectors."""
    if name.startswith("match"):
        return ""
    return next((field for end, field in fields.items() if name.lower().endswith(end.lower())), "")
