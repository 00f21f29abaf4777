"""Objects of kinds that the operator allows: only their metadata and references are judged."""

from __future__ import annotations

from typing import Any

from bot.cluster.guard.walk import Walk
from bot.cluster.names import is_reserved_name
from bot.cluster.node import InvalidShape, Node
from bot.cluster.policy import ClusterPolicy
from bot.settings import CustomKind

_RESERVED = "names that begin with `greenroom` are reserved, also in references"
_DEEPEST = 60


def allowed_kind(manifest: Any, policy: ClusterPolicy) -> CustomKind | None:
    """The kind of the object among those that the operator allows."""
    given = (manifest.get("apiVersion"), manifest.get("kind"))
    return next((kind for kind in policy.allowed_kinds if (kind.api_version, kind.kind) == given), None)


def clean_custom(manifest: Node, walk: Walk) -> dict[str, Any]:
    """The object without status. Each `metadata` in it is judged like that of other objects."""
    return {name: _cleaned(value, walk, name) for name, value in manifest.pairs() if name != "status"}


def _cleaned(node: Node, walk: Walk, name: str) -> Any:
    if len(node.path) > _DEEPEST:
        raise InvalidShape(node.path, f"at most {_DEEPEST} levels")
    if isinstance(node.value, dict):
        if name == "metadata":
            return walk.clean(node, "ObjectMeta")
        return {key: _cleaned(value, walk, str(key)) for key, value in node.pairs()}
    if isinstance(node.value, list):
        places = (Node(value, (*node.path, index)) for index, value in enumerate(node.value))
        return [_cleaned(place, walk, "") for place in places]
    if isinstance(node.value, str) and is_reserved_name(node.value):
        walk.refused.append(node.finding(_RESERVED))
    return node.value
