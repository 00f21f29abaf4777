"""LimitRanges: defaults, minima and maxima of what containers ask for."""

from collections.abc import Iterator

from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.errors import forbidden
from bot.embedded.kubernetes.objects import Object, name_of, namespace_of, rows, table
from bot.embedded.kubernetes.registry.requests import Write
from bot.embedded.kubernetes.resources import Resource, resource_of
from bot.embedded.kubernetes.schema.quantity import amount

_ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger(Plugin):
    def _items(self, namespace: str) -> Iterator[Object]:
        """The limits of containers in a namespace."""
        for limit_range in self._store.select(resource_of("limitranges"), namespace):
            limits = rows(limit_range, "spec", "limits")
            yield from (item for item in limits if item.get("type") == "Container")

    def admit(self, resource: Resource, obj: Object, live: Object | None) -> None:
        """Set the defaults of containers, and list them in an annotation."""
        if resource.plural != "pods" or live is not None:
            return
        for item in self._items(namespace_of(obj)):
            messages = []
            for group, noun in (("containers", "container"), ("initContainers", "init container")):
                for container in rows(obj, "spec", group):
                    messages += _filled(container, item, noun)
            if messages:
                annotations = obj["metadata"].setdefault("annotations", {})
                annotations[_ANNOTATION] = "LimitRanger plugin set: " + "; ".join(messages)

    def check(self, resource: Resource, obj: Object, live: Object | None, write: Write) -> None:
        if live is not None or resource.plural != "pods":
            return
        containers = [*rows(obj, "spec", "containers"), *rows(obj, "spec", "initContainers")]
        limits = self._items(namespace_of(obj))
        faults = [fault for item in limits for container in containers for fault in _faults(item, container)]
        if faults:
            message = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
            raise forbidden(resource, name_of(obj), message)


def _filled(container: Object, item: Object, noun: str) -> list[str]:
    messages = []
    for kind, source in (("requests", "defaultRequest"), ("limits", "default")):
        present = table(container, "resources", kind)
        missing = {name: value for name, value in table(item, source).items() if name not in present}
        if missing:
            container["resources"].setdefault(kind, {}).update(missing)
            names = ", ".join(sorted(missing))
            messages.append(f"{names} {kind[:-1]} for {noun} {container.get('name', '')}")
    return messages


def _faults(item: Object, container: Object) -> Iterator[str]:
    requests, limits = (table(container, "resources", kind) for kind in ("requests", "limits"))
    for name, least in table(item, "min").items():
        if name not in requests:
            yield f"minimum {name} usage per Container is {least}.  No request is specified"
        elif amount(requests[name]) < amount(least):
            yield f"minimum {name} usage per Container is {least}, but request is {requests[name]}"
    for name, most in table(item, "max").items():
        if name not in limits:
            yield f"maximum {name} usage per Container is {most}.  No limit is specified"
        elif amount(limits[name]) > amount(most):
            yield f"maximum {name} usage per Container is {most}, but limit is {limits[name]}"
