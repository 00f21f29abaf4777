"""Services behind routes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.cluster.guard.check import field_text
from bot.cluster.manifests import Source
from bot.cluster.render.transforms.base import Context, items, mapping, name_of, subject, text
from bot.model.notes import Effect, Note
from bot.model.routing import RouteProtocol

_H2C = "kubernetes.io/h2c"
_REASON = "gateways speak HTTP/2 without TLS to this port only if the Service names the protocol"


def mark_grpc(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Sets `appProtocol: kubernetes.io/h2c` on ports of Services to which routes for gRPC lead."""
    ports, notes = list(_grpc_ports(sources, context)), []
    for source in sources:
        if source.manifest["kind"] != "Service":
            continue
        for index, port in enumerate(map(mapping, items(mapping(source.manifest, "spec").get("ports")))):
            if (name_of(source), port.get("port")) in ports and not text(port.get("appProtocol")):
                port["appProtocol"] = _H2C
                field = field_text(("spec", "ports", index, "appProtocol"))
                notes.append(Note(Effect.REWRITTEN, subject(source), _REASON, field, _H2C))
    return list(sources), notes


def _grpc_ports(sources: Sequence[Source], context: Context) -> Iterator[tuple[str, object]]:
    """Service and port of each route for gRPC, of the configuration or of the manifests."""
    for route in context.request.routing.routes:
        if route.protocol is RouteProtocol.GRPC:
            yield route.backend.service, route.backend.port
    for source in sources:
        if source.manifest["kind"] == "GRPCRoute":
            for rule in items(mapping(source.manifest, "spec").get("rules")):
                for backend in map(mapping, items(mapping(rule).get("backendRefs"))):
                    yield text(backend.get("name")), backend.get("port")
