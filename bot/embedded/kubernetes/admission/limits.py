"""LimitRanges: defaults, minima and maxima of what containers ask for."""

from collections.abc import Iterator

from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.errors import forbidden
from bot.embedded.kubernetes.objects import Object, name_of, namespace_of, rows, table
from bot.embedded.kubernetes.registry.requests import Write
from bot.embedded.kubernetes.resources import Resource, resource_of
from bot.embedded.kubernetes.schema.quantity import amount, total

_ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger(Plugin):
    def _items(self, namespace: str, kind: str) -> Iterator[Object]:
        for limitrange in self._store.select(resource_of("limitranges"), namespace):
            yield from (item for item in rows(limitrange, "spec", "limits") if item.get("type") == kind)

    def admit(self, resource: Resource, obj: Object, live: Object | None) -> None:
        """Set the defaults of containers, and list them in an annotation."""
        if resource.plural != "pods" or live is not None:
            return
        for item in self._items(namespace_of(obj), "Container"):
            messages = []
            for group, noun in (("containers", "container"), ("initContainers", "init container")):
                for container in rows(obj, "spec", group):
                    messages += _filled(container, item, noun)
            if messages:
                annotations = obj["metadata"].setdefault("annotations", {})
                annotations[_ANNOTATION] = "LimitRanger plugin set: " + "; ".join(messages)

    def check(self, resource: Resource, obj: Object, live: Object | None, write: Write) -> None:
        if live is not None or resource.plural not in {"pods", "persistentvolumeclaims"}:
            return
        namespace = namespace_of(obj)
        if resource.plural == "persistentvolumeclaims":
            faults = [
                fault
                for item in self._items(namespace, "PersistentVolumeClaim")
                for fault in _faults(
                    item, table(obj, "spec", "resources", "requests"), {}, "PersistentVolumeClaim"
                )
            ]
        else:
            faults = list(self._pod_faults(obj, namespace))
        if faults:
            message = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
            raise forbidden(resource, name_of(obj), message)

    def _pod_faults(self, pod: Object, namespace: str) -> Iterator[str]:
        containers = [*rows(pod, "spec", "containers"), *rows(pod, "spec", "initContainers")]
        for item in self._items(namespace, "Container"):
            for container in containers:
                requests, limits = (
                    table(container, "resources", "requests"),
                    table(container, "resources", "limits"),
                )
                yield from _faults(item, requests, limits, "Container")
        for item in self._items(namespace, "Pod"):
            sums = [_sum(rows(pod, "spec", "containers"), kind) for kind in ("requests", "limits")]
            yield from _faults(item, sums[0], sums[1], "Pod")


def _filled(container: Object, item: Object, noun: str) -> list[str]:
    messages = []
    for kind, source in (("requests", "defaultRequest"), ("limits", "default")):
        present = table(container, "resources", kind)
        missing = {name: value for name, value in table(item, source).items() if name not in present}
        if missing:
            container["resources"].setdefault(kind, {}).update(missing)
            messages.append(
                f"{', '.join(sorted(missing))} {kind[:-1]} for {noun} {container.get('name', '')}"
            )
    return messages


def _sum(containers: list[Object], kind: str) -> Object:
    names = {name for container in containers for name in table(container, "resources", kind)}
    held = {
        name: [table(container, "resources", kind).get(name) for container in containers] for name in names
    }
    return {name: total([value for value in values if value is not None]) for name, values in held.items()}


def _faults(item: Object, requests: Object, limits: Object, noun: str) -> Iterator[str]:
    claim = noun == "PersistentVolumeClaim"
    for name, least in table(item, "min").items():
        if name not in requests:
            yield f"minimum {name} usage per {noun} is {least}.  No request is specified"
        elif amount(requests[name]) < amount(least):
            yield f"minimum {name} usage per {noun} is {least}, but request is {requests[name]}"
    for name, most in table(item, "max").items():
        held = requests if claim else limits
        if name not in held:
            yield f"maximum {name} usage per {noun} is {most}.  No limit is specified"
        elif amount(held[name]) > amount(most):
            action = "request" if claim else "limit"
            yield f"maximum {name} usage per {noun} is {most}, but {action} is {held[name]}"
