"""ResourceQuotas: refusing what exceeds them, and keeping their usage current."""

from decimal import Decimal

from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.errors import forbidden
from bot.embedded.kubernetes.objects import Object, dig, name_of, namespace_of, rows, table
from bot.embedded.kubernetes.registry.requests import Write
from bot.embedded.kubernetes.resources import Resource, resource_of
from bot.embedded.kubernetes.schema.quantity import amount, format_binary, format_decimal
from bot.embedded.kubernetes.storage.store import Event, Store

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
    kind = dig(service, "spec", "type")
    ports = Decimal(len(rows(service, "spec", "ports")))
    return {
        "services.loadbalancers": _ONE if kind == "LoadBalancer" else Decimal(0),
        "services.nodeports": ports if kind in {"LoadBalancer", "NodePort"} else Decimal(0),
    }


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
    fields: Usage = {}
    for container in rows(pod, "spec", "containers"):
        for name, value in table(container, "resources", kind).items():
            fields[name] = fields.get(name, Decimal(0)) + amount(value)
    for container in rows(pod, "spec", "initContainers"):
        for name, value in table(container, "resources", kind).items():
            fields[name] = max(fields.get(name, Decimal(0)), amount(value))
    return fields


def compute_names(hard: Object) -> list[str]:
    """The limited names that every container must state."""
    return sorted(
        name for name in hard if name.rpartition(".")[2] in _COMPUTE and not name.startswith("count/")
    )


def missing_requests(pod: Object, names: list[str]) -> str:
    """`limits.cpu for: app; limits.memory for: app`: what containers leave out although a quota limits it."""
    messages = []
    containers = [*rows(pod, "spec", "containers"), *rows(pod, "spec", "initContainers")]
    for name in names:
        kind, _, plain = name.rpartition(".")
        lacking = [
            container["name"]
            for container in containers
            if plain not in table(container, "resources", kind or "requests")
        ]
        if lacking:
            messages.append(f"{name} for: {','.join(sorted(lacking))}")
    return "; ".join(messages)


class QuotaAdmission(Plugin):
    """Refuses writes that would exceed a quota of their namespace, and updates each quota's status."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        store.listen(self._changed)

    def check(self, resource: Resource, obj: Object, live: Object | None, write: Write) -> None:
        for quota in self._quotas(namespace_of(obj)):
            hard = table(quota, "spec", "hard")
            more = _difference(usage_of(resource, obj), usage_of(resource, live) if live else {})
            if (
                live is None
                and resource.plural == "pods"
                and (lacking := missing_requests(obj, compute_names(hard)))
            ):
                raise forbidden(
                    resource, name_of(obj), f"failed quota: {name_of(quota)}: must specify {lacking}"
                )
            more = {name: value for name, value in more.items() if name in hard and value > 0}
            if not more:
                continue
            used = self._used(quota)
            over = sorted(name for name, value in more.items() if used[name] + value > amount(hard[name]))
            if over:
                messages = [
                    f"{label}: {','.join(f'{name}={_written(name, values[name])}' for name in over)}"
                    for label, values in (("requested", more), ("used", used), ("limited", _amounts(hard)))
                ]
                raise forbidden(
                    resource, name_of(obj), f"exceeded quota: {name_of(quota)}, {', '.join(messages)}"
                )

    def _quotas(self, namespace: str) -> list[Object]:
        return list(self._store.select(resource_of("resourcequotas"), namespace)) if namespace else []

    def _used(self, quota: Object) -> Usage:
        """The namespace's usage of each limited resource."""
        used = {name: Decimal(0) for name in table(quota, "spec", "hard")}
        for resource in self._store.resources():
            if not resource.namespaced:
                continue
            for obj in self._store.select(resource, namespace_of(quota)):
                for name, value in usage_of(resource, obj).items():
                    if name in used:
                        used[name] += value
        return used

    def _changed(self, event: Event) -> None:
        namespace = namespace_of(event.obj)
        for quota in self._quotas(namespace):
            hard = table(quota, "spec", "hard")
            touched = _difference(
                usage_of(event.resource, event.obj) if event.type != "DELETED" else {},
                usage_of(event.resource, event.before) if event.before else {},
            )
            if event.resource.plural != "resourcequotas" and not any(name in hard for name in touched):
                continue
            used = {name: _written(name, value) for name, value in self._used(quota).items()}
            status = {"hard": hard, "used": used}
            if quota.get("status") != status:
                self._store.put(resource_of("resourcequotas"), {**quota, "status": status})


def _difference(now: Usage, before: Usage) -> Usage:
    """The changed amounts between two usages."""
    names = {*now, *before}
    fields = {name: now.get(name, Decimal(0)) - before.get(name, Decimal(0)) for name in names}
    return {name: value for name, value in fields.items() if value}


def _amounts(hard: Object) -> Usage:
    return {name: amount(value) for name, value in hard.items()}


def _written(name: str, value: Decimal) -> str:
    return format_binary(value) if "memory" in name or "storage" in name else format_decimal(value)
