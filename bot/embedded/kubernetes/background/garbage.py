"""Garbage collection by owner references."""

from bot.embedded.kubernetes.background.work import Pending
from bot.embedded.kubernetes.objects import Object, is_deleting, name_of, namespace_of, rows, uid_of
from bot.embedded.kubernetes.registry.deletion import FOREGROUND, ORPHAN
from bot.embedded.kubernetes.registry.registry import Registry
from bot.embedded.kubernetes.registry.requests import Deletion, Target, Write
from bot.embedded.kubernetes.resources import Resource, by_kind
from bot.embedded.kubernetes.storage.store import Event

_MANAGER = Write(manager="kube-controller-manager")


class GarbageCollector:
    """Deletes what lost its owners, and completes foreground and orphaning deletions of owners."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._objects: dict[str, tuple[Resource, Object]] = {}
        self._dependents: dict[str, set[str]] = {}
        self._pending: Pending[str] = Pending(self._look)
        registry.store.listen(self._seen)

    def _seen(self, event: Event) -> None:
        uid = uid_of(event.obj)
        for owner in _owners(event.before) if event.before else ():
            self._dependents.get(owner["uid"], set()).discard(uid)
            self._look_later(owner["uid"])
        if event.type == "DELETED":
            self._objects.pop(uid, None)
            for dependent in self._dependents.pop(uid, ()):
                self._pending.add(dependent)
            return
        self._objects[uid] = (event.resource, event.obj)
        for owner in _owners(event.obj):
            self._dependents.setdefault(owner["uid"], set()).add(uid)
            self._pending.add(uid)
        if is_deleting(event.obj):
            self._pending.add(uid)

    def _look_later(self, owner: str) -> None:
        value = self._objects.get(owner)
        if value is not None and is_deleting(value[1]):
            self._pending.add(owner)

    def _look(self, uid: str) -> None:
        value = self._objects.get(uid)
        if value is None:
            return
        resource, obj = value
        if is_deleting(obj):
            finalizers = rows(obj, "metadata", "finalizers")
            if ORPHAN in finalizers:
                self._release(resource, obj)
            elif FOREGROUND in finalizers:
                self._wait_for_dependents(resource, obj)
        elif _owners(obj):
            self._judge(resource, obj)

    def _judge(self, resource: Resource, obj: Object) -> None:
        """Delete an object without a living owner; drop references to deleted owners.

        It is unknown whether owners of an unknown kind live, so such an object stays.
        """
        if any(by_kind(owner["apiVersion"], owner["kind"]) is None for owner in _owners(obj)):
            return
        held, waiting, gone = [], [], []
        for owner in _owners(obj):
            value = self._objects.get(owner["uid"])
            if value is None:
                gone.append(owner)
            elif FOREGROUND in rows(value[1], "metadata", "finalizers") and is_deleting(value[1]):
                waiting.append(owner)
            else:
                held.append(owner)
        if held and (gone or waiting):
            self._change(resource, obj, "ownerReferences", held)
        elif not held:
            policy = "Foreground" if waiting and self._dependents.get(uid_of(obj)) else "Background"
            self._registry.delete(_target(resource, obj), Deletion(policy=policy, uid=uid_of(obj)))

    def _wait_for_dependents(self, resource: Resource, obj: Object) -> None:
        uid, blocking = uid_of(obj), False
        for dependent in list(self._dependents.get(uid, ())):
            below = self._objects[dependent][1]
            blocking = blocking or any(
                owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in _owners(below)
            )
            if not is_deleting(below):
                self._pending.add(dependent)
        if not blocking:
            self._drop_finalizer(resource, obj, FOREGROUND)

    def _release(self, resource: Resource, obj: Object) -> None:
        uid = uid_of(obj)
        for dependent in list(self._dependents.get(uid, ())):
            kind, below = self._objects[dependent]
            self._change(
                kind, below, "ownerReferences", [owner for owner in _owners(below) if owner["uid"] != uid]
            )
        self._drop_finalizer(resource, obj, ORPHAN)

    def _drop_finalizer(self, resource: Resource, obj: Object, finalizer: str) -> None:
        left = [item for item in rows(obj, "metadata", "finalizers") if item != finalizer]
        self._change(resource, obj, "finalizers", left)

    def _change(self, resource: Resource, obj: Object, field: str, value: list[Object] | list[str]) -> None:
        def edit(live: Object) -> Object:
            live["metadata"][field] = value
            return live

        self._registry.edit(_target(resource, obj), edit, _MANAGER)


def _owners(obj: Object) -> list[Object]:
    return rows(obj, "metadata", "ownerReferences")


def _target(resource: Resource, obj: Object) -> Target:
    return Target(resource, namespace_of(obj), name_of(obj))
