"""Statuses of classes, gateways and routes. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from bot.cluster.client.api import Object
from bot.embedded.gateway.attachment import Attachment, listeners_of
from bot.embedded.gateway.matching import unsupported
from bot.embedded.informer import Key

_HTTP_ROUTE = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}


def class_status(gateway_class: Object) -> Object:
    return {"conditions": _conditions(gateway_class, [("Accepted", "Accepted", "")])}


def gateway_status(gateway: Object, attachments: Iterable[Attachment], address: str) -> Object:
    """A gateway's status, with the number of routes that each listener serves."""
    served = [
        (listener.gateway, listener.name) for attachment in attachments for listener in attachment.listeners
    ]
    before = {entry["name"]: entry for entry in (gateway.get("status") or {}).get("listeners") or []}
    listeners = []
    for listener in listeners_of(gateway):
        problem = "" if listener.supported else "UnsupportedProtocol"
        requested = [
            ("Accepted", problem or "Accepted", "this gateway serves HTTP only" if problem else ""),
            ("Programmed", "Invalid" if problem else "Programmed", ""),
            ("ResolvedRefs", "ResolvedRefs", ""),
        ]
        fields = {"conditions": before.get(listener.name, {}).get("conditions")}
        listeners.append(
            {
                "name": listener.name,
                "supportedKinds": [_HTTP_ROUTE],
                "attachedRoutes": served.count((gateway, listener.name)),
                "conditions": _conditions({"metadata": gateway["metadata"], "status": fields}, requested),
            }
        )
    valid = any(listener.supported for listener in listeners_of(gateway))
    requested = [("Accepted", "Accepted" if valid else "ListenersNotValid", "")]
    requested.append(("Programmed", "Programmed" if valid else "Invalid", ""))
    return {
        "addresses": [{"type": "IPAddress", "value": address}],
        "conditions": _conditions(gateway, requested),
        "listeners": listeners,
    }


def route_parent(attachment: Attachment, services: Mapping[Key, Object], controller: str) -> Object:
    """The entry in a route's status for one of its parents."""
    route = attachment.route
    problem = unsupported(route)
    reason, message = ("UnsupportedValue", problem) if problem else (attachment.reason, attachment.message)
    requested = [("Accepted", reason, message), ("ResolvedRefs", *_references(route, services))]
    before = (route.get("status") or {}).get("parents") or []
    same = (p for p in before if (p["controllerName"], p["parentRef"]) == (controller, attachment.parent))
    fields = {"metadata": route["metadata"], "status": next(same, {})}
    return {
        "parentRef": attachment.parent,
        "controllerName": controller,
        "conditions": _conditions(fields, requested),
    }


def _references(route: Object, services: Mapping[Key, Object]) -> tuple[str, str]:
    namespace = route["metadata"]["namespace"]
    for rule in route["spec"].get("rules") or []:
        for backend in rule.get("backendRefs") or []:
            if backend.get("kind", "Service") != "Service" or backend.get("group"):
                return "InvalidKind", f"backend {backend['name']} is not a Service"
            if (backend.get("namespace") or namespace) != namespace:
                return "RefNotPermitted", f"backend {backend['name']} is in another namespace"
            service = services.get((namespace, backend["name"]))
            if service is None:
                return "BackendNotFound", f"service {namespace}/{backend['name']} not found"
            ports = [port["port"] for port in service["spec"].get("ports") or []]
            if backend.get("port") not in ports:
                text = f"service {namespace}/{backend['name']} has no port {backend.get('port')}"
                return "BackendNotFound", text
    return "ResolvedRefs", ""


def _conditions(item: Object, requested: Iterable[tuple[str, str, str]]) -> list[Object]:
    """Conditions of type, reason and message. A reason that is not the good one makes it false."""
    before = {entry["type"]: entry for entry in (item.get("status") or {}).get("conditions") or []}
    conditions = []
    for kind, reason, message in requested:
        status = "True" if reason == kind else "False"
        same = before.get(kind, {})
        changed = same.get("status") != status
        conditions.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "observedGeneration": item["metadata"].get("generation", 1),
                "lastTransitionTime": _now() if changed else same["lastTransitionTime"],
            }
        )
    return conditions


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
