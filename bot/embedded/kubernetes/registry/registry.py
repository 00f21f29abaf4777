"""Every write of an object passes here: it is decoded, completed, checked, owned and stored."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.embedded.kubernetes.defaults import apply_defaults
from bot.embedded.kubernetes.errors import (
    ApiError,
    Cause,
    already_exists,
    conflict,
    forbidden,
    invalid,
    invalid_patch,
    modified,
    not_found,
    wrong,
)
from bot.embedded.kubernetes.fields.ownership import (
    Writer,
    applied,
    disowned,
    is_reset,
    same_but_for_times,
    updated,
)
from bot.embedded.kubernetes.objects import (
    Object,
    clone,
    generate_name,
    is_deleting,
    name_of,
    rows,
    timestamp,
    uid_of,
)
from bot.embedded.kubernetes.registry.deletion import check_preconditions, marked, may_go, mismatched_uid
from bot.embedded.kubernetes.registry.requests import Deletion, Target, Write, read_body, read_configuration
from bot.embedded.kubernetes.registry.strategy import ignored_fields, prepare_create, prepare_update
from bot.embedded.kubernetes.resources import Resource
from bot.embedded.kubernetes.schema.types import type_of
from bot.embedded.kubernetes.schema.zeros import without_zeros, zero
from bot.embedded.kubernetes.storage.store import Store
from bot.embedded.kubernetes.validation import check_create, check_status, check_update

_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})

Edit = Callable[[Object], Any]
"""Turns a copy of the live object into the body that replaces it."""


class Admission(Protocol):
    """An admission plugin."""

    def admit(self, resource: Resource, obj: Object, live: Object | None) -> None: ...

    def check(self, resource: Resource, obj: Object, live: Object | None, write: Write) -> None: ...


@dataclass
class Registry:
    store: Store
    admission: Sequence[Admission] = ()
    clock: Callable[[], float] = time.time

    def get(self, target: Target) -> Object:
        obj = self.store.get(target.resource, target.namespace, target.name)
        if obj is None:
            raise not_found(target.resource, target.name)
        return obj

    def create(self, target: Target, body: Any, write: Write) -> Object:
        resource, kind = target.resource, type_of(target.resource)
        obj = read_body(target, body, write)
        metadata = obj["metadata"]
        if metadata.get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = generate_name(metadata["generateName"])
        if resource.custom and "status" in resource.subresources:
            obj.pop("status", None)
        apply_defaults(obj)
        before = {} if resource.custom else zero(kind, resource.plural == "persistentvolumeclaims")
        return self._insert(target, clone(updated(before, obj, kind, self._writer(target, write))), write)

    def _insert(self, target: Target, obj: Object, write: Write) -> Object:
        """Store a new object that is decoded, has its defaults and its managed fields."""
        resource, metadata = target.resource, obj["metadata"]
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(name, None)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = timestamp(self.clock())
        for plugin in self.admission:
            plugin.admit(resource, obj, None)
        prepare_create(resource, obj)
        self._refuse(resource, obj, check_create(resource, obj))
        for plugin in self.admission:
            plugin.check(resource, obj, None, write)
        if self.store.get(resource, target.namespace, name_of(obj)) is not None:
            raise already_exists(resource, name_of(obj))
        return obj if write.dry_run else self.store.put(resource, obj)

    def update(self, target: Target, body: Any, write: Write) -> Object:
        """Replace the object; its resourceVersion, when given, must be the current one."""
        new = read_body(target, body, write)
        live = self.get(target)
        if new["metadata"].get("uid") and new["metadata"]["uid"] != uid_of(live):
            raise conflict(target.resource, target.name, mismatched_uid(target, new, live))
        return self._change(target, live, new, write)

    def edit(self, target: Target, edit: Edit, write: Write) -> Object:
        """Replace the object with what `edit` returns for a copy of it, as a patch does."""
        live = self.get(target)
        body = edit(clone(live))
        try:
            new = read_body(target, body, write)
        except ApiError as error:
            undecodable = "cannot be handled as" in error.message and not target.resource.custom
            raise (invalid_patch(body, error) if undecodable else error) from None
        self._check_uid(target, new, live)
        return self._change(target, live, new, write)

    def _check_uid(self, target: Target, new: Object, live: Object) -> None:
        requested = new["metadata"].get("uid")
        if requested and requested != uid_of(live):
            raise invalid(
                target.resource, target.name, [wrong("metadata.uid", requested, "field is immutable")]
            )

    def _check_version(self, target: Target, new: Object, live: Object) -> None:
        requested = new["metadata"].get("resourceVersion")
        if requested and requested != live["metadata"]["resourceVersion"]:
            raise modified(target.resource, target.name)

    def _change(self, target: Target, live: Object, new: Object, write: Write) -> Object:
        self._check_version(target, new, live)
        reset = is_reset(new)
        apply_defaults(new)
        new = prepare_update(target.resource, target.subresource, live, new)
        new["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        new = updated(live, new, type_of(target.resource), self._writer(target, write))
        return self._replace(target, live, disowned(new) if reset else new, write)

    def apply(self, target: Target, body: Any, write: Write) -> tuple[Object, bool]:
        """Server-side apply: the object, and whether it was created."""
        resource, kind = target.resource, type_of(target.resource)
        config = read_configuration(target, body)
        live = self.store.get(resource, target.namespace, target.name)
        writer = self._writer(target, write)
        if live is None:
            return self._create_applied(target, config, write), True
        self._check_version(target, config, live)
        merged = clone(without_zeros(applied(live, config, kind, writer, write.force), kind))
        self._check_uid(target, config, live)
        apply_defaults(merged)
        merged = prepare_update(resource, target.subresource, live, merged)
        return self._replace(target, live, merged, write), False

    def _create_applied(self, target: Target, config: Object, write: Write) -> Object:
        resource, kind = target.resource, type_of(target.resource)
        if target.subresource:
            raise not_found(resource, target.name)
        if uid := config["metadata"].get("uid"):
            reason = (
                f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            )
            raise conflict(resource, target.name, reason)
        metadata = {"name": target.name, **({"namespace": target.namespace} if target.namespace else {})}
        base = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
        obj = applied(base, config, kind, self._writer(target, write), write.force)
        obj = clone(without_zeros(obj, kind))
        apply_defaults(obj)
        return self._insert(target, obj, write)

    def _replace(self, target: Target, live: Object, new: Object, write: Write) -> Object:
        resource = target.resource
        for plugin in self.admission:
            plugin.admit(resource, new, live)
        on_status = target.subresource == "status"
        self._refuse(
            resource, new, check_status(resource, new) if on_status else check_update(resource, live, new)
        )
        for plugin in self.admission:
            plugin.check(resource, new, live, write)
        if same_but_for_times(live, new):
            return live
        if write.dry_run:
            return new
        if is_deleting(live) and self._is_finished(resource, new):
            return self.store.remove(resource, new)
        return self.store.put(resource, new)

    def delete(self, target: Target, options: Deletion) -> tuple[Object, bool]:
        """Begin the deletion; returns the object, and whether it was removed at once."""
        live, resource = self.get(target), target.resource
        if resource.plural == "namespaces" and target.name in _IMMORTAL:
            raise forbidden(resource, target.name, "this namespace may not be deleted")
        check_preconditions(resource, live, options)
        doomed = marked(resource, live, options, self.clock())
        if resource.plural == "namespaces":
            doomed["metadata"].pop("deletionGracePeriodSeconds", None)
            doomed = {**doomed, "status": {**doomed.get("status", {}), "phase": "Terminating"}}
        if self._is_finished(resource, doomed):
            if resource.plural != "pods" and not is_deleting(live):
                doomed = live
            return (doomed if options.dry_run else self.store.remove(resource, doomed)), True
        if doomed == live or options.dry_run:
            return doomed, False
        return self.store.put(resource, doomed), False

    def _is_finished(self, resource: Resource, obj: Object) -> bool:
        """Whether an object that is being deleted waits for nothing any more."""
        held = resource.plural == "namespaces" and rows(obj, "spec", "finalizers")
        return may_go(obj) and not held

    def _writer(self, target: Target, write: Write) -> Writer:
        resource = target.resource
        return Writer(
            name=write.manager,
            api_version=resource.api_version,
            time=timestamp(self.clock()),
            subresource=target.subresource,
            ignored=ignored_fields(resource, target.subresource),
        )

    @staticmethod
    def _refuse(resource: Resource, obj: Object, causes: list[Cause]) -> None:
        if causes:
            raise invalid(resource, name_of(obj), causes)
