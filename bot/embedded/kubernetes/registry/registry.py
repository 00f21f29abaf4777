"""Every write of an object passes here: it is decoded, completed, checked, owned and stored."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.embedded.kubernetes.defaults import apply_defaults
from bot.embedded.kubernetes.errors import (
    ApiError,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    modified,
    not_found,
)
from bot.embedded.kubernetes.fields.ownership import Writer, applied, same_but_for_times, updated
from bot.embedded.kubernetes.fields.paths import zero
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
from bot.embedded.kubernetes.registry.requests import Deletion, Target, Write
from bot.embedded.kubernetes.registry.strategy import ignored_fields, prepare_create, prepare_update
from bot.embedded.kubernetes.resources import Resource, known
from bot.embedded.kubernetes.schema.decode import decode
from bot.embedded.kubernetes.schema.types import type_of
from bot.embedded.kubernetes.storage.store import Store
from bot.embedded.kubernetes.validation import check_create, check_update

_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})

Change = Callable[[Object], Any]
"""From the live object to the body that replaces it."""


class Admission(Protocol):
    """A plugin that may complete or refuse what is written. `live` is None on create."""

    def admit(self, resource: Resource, obj: Object, live: Object | None) -> None:
        """Complete the object in place, or raise ApiError, before it is validated."""

    def check(self, resource: Resource, obj: Object, live: Object | None, warnings: list[str]) -> None:
        """Raise ApiError for a complete object that may not be stored, or add warnings about it."""


@dataclass
class Registry:
    store: Store
    admission: list[Admission] = field(default_factory=list)
    clock: Callable[[], float] = time.time

    def get(self, target: Target) -> Object:
        found = self.store.get(target.resource, target.namespace, target.name)
        if found is None:
            raise not_found(target.resource, target.name)
        return found

    def create(self, target: Target, body: Any, write: Write) -> Object:
        obj = self._decoded(target, body, write)
        metadata = obj["metadata"]
        if metadata.get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = generate_name(metadata["generateName"])
        if target.resource.custom and "status" in target.resource.subresources:
            obj.pop("status", None)
        apply_defaults(obj)
        kind = type_of(target.resource)
        base = (
            {} if target.resource.custom else zero(kind, target.resource.plural == "persistentvolumeclaims")
        )
        obj = updated(base, obj, kind, self._writer(target, write))
        return self._insert(target, clone(obj), write)

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
            plugin.check(resource, obj, None, write.warnings)
        if self.store.get(resource, target.namespace, name_of(obj)) is not None:
            raise already_exists(resource, name_of(obj))
        return obj if write.dry_run else self.store.put(resource, obj)

    def update(self, target: Target, body: Any, write: Write) -> Object:
        """Replace the object; its resourceVersion, when given, must be the current one."""
        new = self._decoded(target, body, write)
        return self._changed(target, self.get(target), new, write)

    def change(self, target: Target, edit: Change, write: Write) -> Object:
        """Replace the object by what `edit` makes of a copy of it."""
        live = self.get(target)
        return self._changed(target, live, self._decoded(target, edit(clone(live)), write), write)

    def _changed(self, target: Target, live: Object, new: Object, write: Write) -> Object:
        wanted = new["metadata"].get("resourceVersion")
        if wanted and wanted != live["metadata"]["resourceVersion"]:
            raise modified(target.resource, target.name)
        if new["metadata"].get("uid") and new["metadata"]["uid"] != uid_of(live):
            raise conflict(target.resource, target.name, mismatched_uid(target, new, live))
        apply_defaults(new)
        new = prepare_update(target.resource, target.subresource, live, new)
        new["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        new = updated(live, new, type_of(target.resource), self._writer(target, write))
        return self._replace(target, live, new, write)

    def apply(self, target: Target, body: Any, write: Write) -> tuple[Object, bool]:
        """Server-side apply: the object, and whether it was created."""
        config = self._decoded(target, body, Write(validation="Strict"))
        if "managedFields" in config["metadata"]:
            raise bad_request("metadata.managedFields must be nil")
        resource, kind = target.resource, type_of(target.resource)
        live = self.store.get(resource, target.namespace, target.name)
        writer = self._writer(target, write)
        if live is None:
            if target.subresource:
                raise not_found(resource, target.name)
            metadata = {"name": target.name, **({"namespace": target.namespace} if target.namespace else {})}
            if config["metadata"].get("uid"):
                why = f"uid mismatch: the provided object specified uid {config['metadata']['uid']}, and no existing object was found"
                raise conflict(resource, target.name, why)
            base = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
            obj = clone(applied(base, config, kind, writer, write.force))
            apply_defaults(obj)
            return self._insert(target, obj, write), True
        wanted = config["metadata"].get("resourceVersion")
        if wanted and wanted != live["metadata"]["resourceVersion"]:
            raise modified(resource, target.name)
        merged = clone(applied(live, config, kind, writer, write.force))
        apply_defaults(merged)
        merged = prepare_update(resource, target.subresource, live, merged)
        return self._replace(target, live, merged, write), False

    def _replace(self, target: Target, live: Object, new: Object, write: Write) -> Object:
        resource = target.resource
        for plugin in self.admission:
            plugin.admit(resource, new, live)
        if target.subresource != "status":
            self._refuse(resource, new, check_update(resource, live, new))
        for plugin in self.admission:
            plugin.check(resource, new, live, write.warnings)
        if same_but_for_times(live, new):
            return live
        if write.dry_run:
            return new
        if is_deleting(live) and self._is_finished(resource, new):
            return self.store.remove(resource, new)
        return self.store.put(resource, new)

    def delete(self, target: Target, options: Deletion) -> tuple[Object, bool]:
        """Begin to delete; the object, and whether it is gone already."""
        live, resource = self.get(target), target.resource
        if resource.plural == "namespaces" and target.name in _IMMORTAL:
            raise forbidden(resource, target.name, "this namespace may not be deleted")
        check_preconditions(resource, live, options)
        if resource.plural == "namespaces":
            return self._delete_namespace(live, options)
        doomed = marked(resource, live, options, self.clock())
        if may_go(doomed):
            if resource.plural != "pods" and not is_deleting(live):
                doomed = live
            return (doomed if options.dry_run else self.store.remove(resource, doomed)), True
        if doomed == live or options.dry_run:
            return doomed, False
        return self.store.put(resource, doomed), False

    def _delete_namespace(self, live: Object, options: Deletion) -> tuple[Object, bool]:
        resource = known("namespaces")
        doomed = marked(resource, live, options, self.clock())
        doomed["metadata"].pop("deletionGracePeriodSeconds", None)
        doomed = {**doomed, "status": {**doomed.get("status", {}), "phase": "Terminating"}}
        if options.dry_run or doomed == live:
            return doomed, False
        if self._is_finished(resource, doomed):
            return self.store.remove(resource, doomed), True
        return self.store.put(resource, doomed), False

    def _is_finished(self, resource: Resource, obj: Object) -> bool:
        """Whether an object that is being deleted waits for nothing any more."""
        held = resource.plural == "namespaces" and rows(obj, "spec", "finalizers")
        return may_go(obj) and not held

    def _decoded(self, target: Target, body: Any, write: Write) -> Object:
        obj, warnings = decode(target.resource, body, write.validation)
        write.warnings.extend(warnings)
        metadata = obj["metadata"]
        if target.namespace:
            if metadata.get("namespace", target.namespace) != target.namespace:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            metadata["namespace"] = target.namespace
        else:
            metadata.pop("namespace", None)
        if target.name and metadata.setdefault("name", target.name) != target.name:
            name = metadata["name"]
            raise bad_request(
                f"the name of the object ({name}) does not match the name on the URL ({target.name})"
            )
        return obj

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
    def _refuse(resource: Resource, obj: Object, causes: list[Any]) -> None:
        if causes:
            raise invalid(resource, name_of(obj), causes)
