"""The field of `.greenroom.yml` that was probably meant by an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_REFERENCE = "#/$defs/"

Schema = Mapping[str, Any]


def similar_field(schema: Schema, path: Sequence[str | int]) -> str | None:
    """A known field that resembles the path's last part; None if there is none.

    `schema` is the JSON schema of the file.
    """
    nodes = list(_alternatives(schema, schema))
    for part in path[:-1]:
        nodes = [inner for node in nodes for inner in _below(node, part, schema)] or nodes
    names = [name for node in nodes for name in node.get("properties", {})]
    return next(iter(difflib.get_close_matches(str(path[-1]), names, 1)), None)


def _below(node: Schema, part: str | int, root: Schema) -> Iterator[Schema]:
    inner = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
    inner = inner if inner is not None else node.get("additionalProperties")
    if isinstance(inner, dict):
        yield from _alternatives(inner, root)


def _alternatives(node: Schema, root: Schema) -> Iterator[Schema]:
    """The schema itself, or those that a reference or a choice leads to."""
    if str(node.get("$ref", "")).startswith(_REFERENCE):
        yield from _alternatives(root["$defs"][node["$ref"].removeprefix(_REFERENCE)], root)
    elif "anyOf" in node:
        for choice in node["anyOf"]:
            yield from _alternatives(choice, root)
    else:
        yield node
