"""The life of a namespace: its service account at the start, its emptying at the end."""

from __future__ import annotations

from collections import Counter

from bot.embedded.kubernetes.background.work import Pending
from bot.embedded.kubernetes.errors import ApiError
from bot.embedded.kubernetes.objects import Object, is_deleting, name_of, namespace_of, rows, timestamp
from bot.embedded.kubernetes.registry.registry import Registry
from bot.embedded.kubernetes.registry.requests import Deletion, Target, Write
from bot.embedded.kubernetes.registry.subresources import finalize
from bot.embedded.kubernetes.resources import Resource, resource_of
from bot.embedded.kubernetes.storage.store import Event

Remaining = list[tuple[Resource, Object]]


class NamespaceController:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._store = registry.store
        self._namespaces = resource_of("namespaces")
        self._pending: Pending[str] = Pending(self._look)
        self._store.listen(self._seen)

    def _seen(self, event: Event) -> None:
        if event.resource is self._namespaces:
            if event.type != "DELETED" and (event.type == "ADDED" or is_deleting(event.obj)):
                self._pending.add(name_of(event.obj))
            return
        namespace = self._store.get(self._namespaces, "", namespace_of(event.obj))
        if namespace is not None and is_deleting(namespace):
            self._pending.add(name_of(namespace))

    def _look(self, name: str) -> None:
        namespace = self._store.get(self._namespaces, "", name)
        if namespace is None:
            return
        if not is_deleting(namespace):
            self._create_account(name)
        elif "kubernetes" in rows(namespace, "spec", "finalizers"):
            self._empty(namespace)

    def _create_account(self, namespace: str) -> None:
        accounts = resource_of("serviceaccounts")
        if self._store.get(accounts, namespace, "default") is None:
            write = Write(manager="kube-controller-manager")
            self._registry.create(Target(accounts, namespace), {"metadata": {"name": "default"}}, write)

    def _empty(self, namespace: Object) -> None:
        """Delete what is left; let the namespace go when nothing is."""
        name = name_of(namespace)
        for resource, obj in self._content(name):
            if not is_deleting(obj):
                try:
                    self._registry.delete(Target(resource, name, name_of(obj)), Deletion(policy="Background"))
                except ApiError as error:
                    if error.code != 404:
                        raise
        remaining = self._content(name)
        if remaining:
            self._report_content(namespace, remaining)
            return
        spec = {
            "finalizers": [
                finalizer for finalizer in rows(namespace, "spec", "finalizers") if finalizer != "kubernetes"
            ]
        }
        finalize(self._registry, Target(self._namespaces, "", name), {**namespace, "spec": spec})

    def _content(self, name: str) -> Remaining:
        resources = [item for item in self._store.resources() if item.namespaced]
        return [(resource, obj) for resource in resources for obj in list(self._store.select(resource, name))]

    def _report_content(self, namespace: Object, remaining: Remaining) -> None:
        """Report in the namespace's conditions what delays its deletion."""
        old = {condition["type"]: condition for condition in rows(namespace, "status", "conditions")}
        conditions = _conditions(remaining)
        for condition in conditions:
            before = old.get(condition["type"])
            same = before is not None and before["status"] == condition["status"]
            now = timestamp(self._registry.clock())
            condition["lastTransitionTime"] = before["lastTransitionTime"] if same and before else now
        if conditions != rows(namespace, "status", "conditions"):
            status = {**namespace.get("status", {}), "conditions": conditions}
            self._store.put(self._namespaces, {**namespace, "status": status})


def _condition(kind: str, status: bool, reason: str, message: str) -> Object:
    return {"type": kind, "status": str(status), "reason": reason, "message": message}


def _conditions(remaining: Remaining) -> list[Object]:
    kinds = Counter(resource.qualified for resource, _ in remaining)
    finalizers = Counter(
        finalizer for _, obj in remaining for finalizer in rows(obj, "metadata", "finalizers")
    )
    left = ", ".join(
        f"{name}{'' if '.' in name else '.'} has {count} resource instances"
        for name, count in sorted(kinds.items())
    )
    held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
    conditions = [
        _condition(
            "NamespaceDeletionDiscoveryFailure",
            False,
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        _condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            False,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        _condition(
            "NamespaceDeletionContentFailure",
            False,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        _condition(
            "NamespaceContentRemaining", True, "SomeResourcesRemain", f"Some resources are remaining: {left}"
        ),
    ]
    if held:
        words = f"Some content in the namespace has finalizers remaining: {held}"
        conditions.append(_condition("NamespaceFinalizersRemaining", True, "SomeFinalizersRemain", words))
    else:
        words = "All content-preserving finalizers finished"
        conditions.append(_condition("NamespaceFinalizersRemaining", False, "ContentHasNoFinalizers", words))
    return conditions
