"""Declared objects, and the live ones as an API server stores them."""

from __future__ import annotations

import copy
from typing import Any

from bot.infrastructure.drift.exceptions import Exceptions
from bot.infrastructure.drift.objects import Rules

REVISION = "greenroom.dev/template"
RULES = Rules("greenroom", REVISION, b"key", Exceptions())
TIME = "2030-01-02T03:04:05Z"


def manifest(kind: str = "Deployment", name: str = "shop", **fields: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "greenroom"}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}, **fields}


def deployed(declared: dict[str, Any], defaults: dict[str, Any] | None = None) -> dict[str, Any]:
    """The live object right after the deployment; `defaults` are fields of its spec without an owner."""
    live = copy.deepcopy(declared)
    if defaults:
        live["spec"] = {**defaults, **live["spec"]}
    live["metadata"] |= {
        "uid": "1",
        "resourceVersion": "7",
        "creationTimestamp": TIME,
        "managedFields": [entry("greenroom", {"f:metadata": {"f:labels": {}}}, "Apply")],
    }
    return live


def written_by(live: dict[str, Any], manager: str, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The object after another client set a field of a mapping."""
    changed = copy.deepcopy(live)
    parent: Any = changed
    fields: dict[str, Any] = {}
    for name in path[:-1]:
        parent = parent.setdefault(name, {})
    parent[path[-1]] = value
    for name in reversed(path):
        fields = {f"f:{name}": fields}
    changed["metadata"]["managedFields"].append(entry(manager, fields))
    return changed


def entry(manager: str, fields: dict[str, Any], operation: str = "Update") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "time": TIME, "fieldsV1": fields}
