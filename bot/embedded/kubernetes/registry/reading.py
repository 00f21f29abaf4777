"""The object that a request brings, with the place that its URL names."""

from __future__ import annotations

from typing import Any

from bot.embedded.kubernetes.errors import bad_request
from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.registry.requests import Target, Write
from bot.embedded.kubernetes.schema.decode import decode, decode_applied
from bot.embedded.kubernetes.schema.types import type_of
from bot.embedded.kubernetes.schema.zeros import without_zeros


def read_body(target: Target, body: Any, write: Write) -> Object:
    """The object to create or to put in the place of another."""
    obj, warnings = decode(target.resource, body, write.validation)
    write.warnings.extend(warnings)
    if not target.resource.custom:
        obj = without_zeros(obj, type_of(target.resource))
        obj.setdefault("metadata", {})
    return _placed(target, obj)


def read_configuration(target: Target, body: Any) -> Object:
    """The configuration to apply."""
    config = _placed(target, decode_applied(target.resource, body))
    if "managedFields" in config["metadata"]:
        raise bad_request("metadata.managedFields must be nil")
    return config


def _placed(target: Target, obj: Object) -> Object:
    metadata = obj["metadata"]
    if target.namespace:
        if (metadata.get("namespace") or target.namespace) != target.namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        metadata["namespace"] = target.namespace
    else:
        metadata.pop("namespace", None)
    name = metadata.get("name") or target.name
    if target.name:
        metadata["name"] = name
    if target.name and name != target.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )
    return obj
