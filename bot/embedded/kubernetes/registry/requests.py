"""Requests to the registry: target, write options, delete options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.embedded.kubernetes.errors import bad_options, bad_request, unsupported
from bot.embedded.kubernetes.objects import Object, dig
from bot.embedded.kubernetes.rbac import SUPERUSER, User
from bot.embedded.kubernetes.resources import Resource

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
