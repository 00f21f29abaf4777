"""Which hostnames a gateway serves for which route, and why not. Pure: from the objects as they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.cluster.client.api import Object
from bot.embedded.informer import Key, key_of

ANY = "*"
"""Stands for every hostname."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of a gateway that is ours."""

    gateway: Object
    spec: Object

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def hostname(self) -> str:
        return str(self.spec.get("hostname") or ANY).lower()

    @property
    def supported(self) -> bool:
        return bool(self.spec.get("protocol") == "HTTP")

    def admits(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether routes of a namespace with these labels may attach."""
        rule: Mapping[str, Any] = (self.spec.get("allowedRoutes") or {}).get("namespaces") or {}
        origin = rule.get("from", "Same")
        if origin == "Selector":
            requested = rule.get("selector") or {}
            # Only labels are compared: an expression that is not understood must not let a route in.
            pairs = (requested.get("matchLabels") or {}).items()
            return not requested.get("matchExpressions") and all(
                labels.get(key) == value for key, value in pairs
            )
        return bool(origin == "All" or namespace == self.gateway["metadata"]["namespace"])


@dataclass(slots=True)
class Attachment:
    """The result for one parent reference of a route; `reason` and `message` explain missing hostnames."""

    route: Object
    parent: Object
    listeners: list[Listener] = field(default_factory=list)
    hostnames: list[str] = field(default_factory=list)
    reason: str = "Accepted"
    message: str = ""


def attach(
    routes: Iterable[Object], gateways: Mapping[Key, Object], namespaces: Mapping[str, Mapping[str, str]]
) -> list[Attachment]:
    """Attach routes to gateways, the oldest first; `namespaces` are their labels by name.

    A hostname belongs to the namespace whose route had it first. Routes of one namespace may share it.
    """
    owners: dict[str, Object] = {}
    results = []
    for route in sorted(routes, key=age):
        namespace = route["metadata"]["namespace"]
        for parent in route["spec"].get("parentRefs") or []:
            gateway = gateways.get((parent.get("namespace") or namespace, parent["name"]))
            if gateway is None or parent.get("kind", "Gateway") != "Gateway":
                continue
            attachment = _attached(route, parent, gateway, namespaces.get(namespace, {}))
            _claim_hostnames(attachment, owners)
            results.append(attachment)
    return results


def age(route: Object) -> tuple[str, Key]:
    """Older objects sort first, then by name."""
    return str(route["metadata"].get("creationTimestamp")), key_of(route)


def covers(pattern: str, hostname: str) -> bool:
    """Whether a hostname, which may be a pattern itself, lies within a pattern such as `*.example.com`."""
    if pattern in (ANY, hostname):
        return True
    return pattern.startswith("*.") and hostname.endswith(pattern[1:]) and hostname != pattern[1:]


def listeners_of(gateway: Object) -> list[Listener]:
    return [Listener(gateway, spec) for spec in gateway["spec"]["listeners"]]


def _attached(route: Object, parent: Object, gateway: Object, labels: Mapping[str, str]) -> Attachment:
    attachment = Attachment(route, parent)
    chosen = [
        listener
        for listener in listeners_of(gateway)
        if parent.get("sectionName") in (None, "", listener.name)
        and parent.get("port") in (None, listener.spec["port"])
    ]
    if not chosen:
        attachment.reason, attachment.message = "NoMatchingParent", "the gateway has no such listener"
        return attachment
    namespace = route["metadata"]["namespace"]
    admitting = [item for item in chosen if item.supported and item.admits(namespace, labels)]
    if not admitting:
        attachment.reason = "NotAllowedByListeners"
        attachment.message = f"no listener takes routes of namespace {namespace}"
        return attachment
    requested = [name.lower() for name in route["spec"].get("hostnames") or [ANY]]
    for listener in admitting:
        common = [name for name in (_intersection(listener.hostname, item) for item in requested) if name]
        if common:
            attachment.listeners.append(listener)
            attachment.hostnames += [name for name in common if name not in attachment.hostnames]
    if not attachment.hostnames:
        attachment.reason = "NoMatchingListenerHostname"
        attachment.message = f"no listener serves {', '.join(requested)}"
    return attachment


def _claim_hostnames(attachment: Attachment, owners: dict[str, Object]) -> None:
    namespace = attachment.route["metadata"]["namespace"]
    taken = []
    for hostname in attachment.hostnames:
        owner = owners.setdefault(hostname, attachment.route)
        if owner["metadata"]["namespace"] != namespace:
            taken.append(f"{hostname} by {owner['metadata']['namespace']}/{owner['metadata']['name']}")
    free = {name for name in attachment.hostnames if owners[name]["metadata"]["namespace"] == namespace}
    if taken and not free:
        attachment.reason = "HostnameConflict"
        attachment.message = f"an older route has the hostname already: {', '.join(taken)}"
        attachment.listeners = []
    attachment.hostnames = [name for name in attachment.hostnames if name in free]


def _intersection(listener: str, route: str) -> str | None:
    if covers(listener, route):
        return route
    return listener if covers(route, listener) else None
