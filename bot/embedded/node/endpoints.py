"""Which pods stand behind a port of a Service. Pure; shared by the service proxy and the gateway."""

from collections.abc import Iterable

from bot.cluster.client.api import Object
from bot.embedded.informer import Change, Key
from bot.embedded.node.addresses import twin

SERVICE_LABEL = "kubernetes.io/service-name"

Address = tuple[str, int]
"""A loopback address and a port on which a pod really listens."""


def service_of(endpoint_slice: Object) -> str:
    """The Service that a slice belongs to, or nothing."""
    return str((endpoint_slice["metadata"].get("labels") or {}).get(SERVICE_LABEL, ""))


Slices = dict[Key, dict[str, Object]]
"""EndpointSlices by namespace and Service, then by their own name."""


def remember(slices: Slices, change: Change) -> None:
    """Apply a change of an EndpointSlice."""
    namespace, name = change.key
    behind = slices.setdefault((namespace, service_of(change.object)), {})
    if change.type == "DELETED":
        behind.pop(name, None)
    else:
        behind[name] = change.object


def ready_addresses(slices: Iterable[Object], port_name: str | None) -> list[Address]:
    """Addresses of the ready pods of a Service for the port of that name, in a stable order."""
    value = set()
    for slice_ in slices:
        ports = [p["port"] for p in slice_.get("ports") or [] if (p.get("name") or "") == (port_name or "")]
        for endpoint in slice_.get("endpoints") or []:
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                value |= {(twin(a), int(port)) for a in endpoint["addresses"] for port in ports if port}
    return sorted(value)


def is_ready(slices: Iterable[Object], address: Address) -> bool:
    """Whether a ready pod listens on the address, whatever the port is called."""
    return any(
        (twin(ip), port["port"]) == address
        for slice_ in slices
        for endpoint in slice_.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for ip in endpoint["addresses"]
        for port in slice_.get("ports") or []
    )
