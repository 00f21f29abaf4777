"""Requests to the registry: target, options and the object that a body describes."""

from dataclasses import dataclass, field
from typing import Any

from bot.embedded.kubernetes.errors import bad_options, bad_request, unsupported
from bot.embedded.kubernetes.objects import Object, dig
from bot.embedded.kubernetes.rbac import SUPERUSER, User
from bot.embedded.kubernetes.resources import Resource
from bot.embedded.kubernetes.schema.decode import decode, decode_applied
from bot.embedded.kubernetes.schema.types import type_of
from bot.embedded.kubernetes.schema.zeros import without_zeros

POLICIES = ["Foreground", "Background", "Orphan"]


@dataclass(frozen=True)
class Target:
    """An object, or with no name a collection; `subresource` such as `status`."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True)
class Write:
    """Options of a write. Warnings for the response are collected in it."""

    manager: str = "unknown"
    user: User = SUPERUSER
    force: bool = False
    dry_run: bool = False
    validation: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Deletion:
    """metav1.DeleteOptions."""

    grace: int | None = None
    policy: str = ""
    uid: str = ""
    version: str = ""
    dry_run: bool = False


def read_deletion(body: Any, grace: str, policy: str, dry_run: bool) -> Deletion:
    """Options of a delete, from its body or from the query."""
    options: Object = body if isinstance(body, dict) else {}
    seconds = options.get("gracePeriodSeconds", int(grace) if grace.lstrip("-").isdigit() else None)
    if seconds is not None and type(seconds) is not int:
        raise bad_request("json: cannot unmarshal gracePeriodSeconds into Go struct field of type int64")
    chosen = options.get("propagationPolicy") or policy
    if not chosen and options.get("orphanDependents") is not None:
        chosen = "Orphan" if options["orphanDependents"] else "Background"
    if chosen and chosen not in POLICIES:
        raise bad_options("delete", unsupported("propagationPolicy", chosen, [*POLICIES, "nil"]))
    return Deletion(
        grace=seconds,
        policy=chosen,
        uid=dig(options, "preconditions", "uid") or "",
        version=dig(options, "preconditions", "resourceVersion") or "",
        dry_run=dry_run or bool(options.get("dryRun")),
    )


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
