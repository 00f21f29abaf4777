"""How much of what a ResourceQuota counts an object uses."""

from __future__ import annotations

from decimal import Decimal

from bot.embedded.kubernetes.objects import Object, dig, rows, table
from bot.embedded.kubernetes.resources import Resource
from bot.embedded.kubernetes.schema.quantity import amount

Usage = dict[str, Decimal]

_ONE = Decimal(1)
_COUNTED_BY_NAME = frozenset(
    {"pods", "services", "configmaps", "secrets", "persistentvolumeclaims", "resourcequotas"}
)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")


def usage_of(resource: Resource, obj: Object) -> Usage:
    usage = {f"count/{resource.qualified}": _ONE}
    if resource.group:
        return usage
    if resource.plural == "pods":
        return usage | _pod_usage(obj)
    if resource.plural in _COUNTED_BY_NAME:
        usage[resource.plural] = _ONE
    if resource.plural == "services":
        usage |= _service_usage(obj)
    if resource.plural == "persistentvolumeclaims":
        storage = dig(obj, "spec", "resources", "requests", "storage")
        usage["requests.storage"] = amount(storage) if storage is not None else Decimal(0)
    return usage


def _service_usage(service: Object) -> Usage:
    kind, ports = dig(service, "spec", "type"), Decimal(len(rows(service, "spec", "ports")))
    if kind == "NodePort":
        return {"services.nodeports": ports}
    if kind == "LoadBalancer":
        return {"services.loadbalancers": _ONE, "services.nodeports": ports}
    return {}


def _pod_usage(pod: Object) -> Usage:
    """A pod that has ended uses nothing any more."""
    if dig(pod, "status", "phase") in {"Succeeded", "Failed"}:
        return {}
    usage = {"pods": _ONE}
    for kind in ("requests", "limits"):
        for name, value in _pod_total(pod, kind).items():
            usage[f"{kind}.{name}"] = value
            if kind == "requests":
                usage[name] = value
    return usage


def _pod_total(pod: Object, kind: str) -> Usage:
    """The sum over its containers, or the largest init container where that is more."""
    found: Usage = {}
    for container in rows(pod, "spec", "containers"):
        for name, value in table(container, "resources", kind).items():
            found[name] = found.get(name, Decimal(0)) + amount(value)
    for container in rows(pod, "spec", "initContainers"):
        for name, value in table(container, "resources", kind).items():
            found[name] = max(found.get(name, Decimal(0)), amount(value))
    return found


def compute_names(hard: Object) -> list[str]:
    """The limited names that every container must state."""
    return sorted(
        name for name in hard if name.rpartition(".")[2] in _COMPUTE and not name.startswith("count/")
    )


def missing_requests(pod: Object, names: list[str]) -> str:
    """`limits.cpu for: app; limits.memory for: app`: what containers leave out although a quota limits it."""
    said = []
    containers = [*rows(pod, "spec", "containers"), *rows(pod, "spec", "initContainers")]
    for name in names:
        kind, _, plain = name.rpartition(".")
        lacking = [
            each["name"] for each in containers if plain not in table(each, "resources", kind or "requests")
        ]
        if lacking:
            said.append(f"{name} for: {','.join(sorted(lacking))}")
    return "; ".join(said)
