"""References of an object to others by name: none to objects of the bot."""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.names import is_reserved_name
from bot.cluster.node import Finding, Node

_CONTENT = frozenset(("metadata", "data", "stringData", "binaryData", "status"))
"""Fields of an object that contain no references; the guard checks its metadata itself."""
_LOCAL = frozenset(
    (
        "containers",
        "env",
        "ephemeralContainers",
        "httpHeaders",
        "initContainers",
        "ports",
        "resourceClaims",
        "sysctls",
        "volumeDevices",
        "volumeMounts",
        "volumes",
    )
)
"""Lists whose items have names of their own, which refer to nothing outside of the object."""
_LOCAL_NAMES = frozenset(("containerName", "externalName"))


def reference_findings(manifest: Node) -> Iterator[Finding]:
    """References to objects of the bot, such as its Secret, in any field: unknown fields count as well."""
    for key, value in manifest.pairs():
        if key not in _CONTENT:
            yield from _findings(value, key, local=False)


def _findings(node: Node, key: str, *, local: bool) -> Iterator[Finding]:
    """`local`: the node is an item of a list in _LOCAL, so its `name` refers to nothing."""
    if isinstance(node.value, dict):
        for field, value in node.pairs():
            if not (local and field == "name"):
                yield from _findings(value, field, local=False)
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            yield from _findings(Node(item, (*node.path, index)), key, local=key in _LOCAL)
    elif isinstance(node.value, str) and _is_name(key) and is_reserved_name(node.value):
        yield node.finding(
            "names that begin with `greenroom` belong to objects of Greenroom, which manifests must not use"
        )


def _is_name(key: str) -> bool:
    return key not in _LOCAL_NAMES and (
        key in ("name", "resourceNames", "serviceAccount") or key.endswith("Name")
    )
