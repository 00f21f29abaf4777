"""Nothing is created in a namespace that is not there or that is going away."""

from __future__ import annotations

from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.errors import Cause, forbidden, not_found
from bot.embedded.kubernetes.objects import Object, is_deleting, name_of, namespace_of
from bot.embedded.kubernetes.resources import Resource, known


class NamespaceLifecycle(Plugin):
    def admit(self, resource: Resource, obj: Object, live: Object | None) -> None:
        if live is not None or not resource.namespaced:
            return
        namespace = namespace_of(obj)
        found = self._store.get(known("namespaces"), "", namespace)
        if found is None:
            raise not_found(known("namespaces"), namespace)
        if is_deleting(found):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = Cause(
                "NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace"
            )
            raise forbidden(resource, name_of(obj), why, [cause])
