"""Services of routes anywhere in the repository: users open these. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.cluster.manifests import SUFFIXES
from bot.cluster.proposal.files import Files, documents
from bot.cluster.render.transforms.base import items, mapping, text

_KINDS = (b"Ingress", b"HTTPRoute", b"VirtualService", b"Route")
"""Words in files that can contain a route: all others are not parsed."""


def published_services(files: Files) -> set[str]:
    """The names of the Services behind Ingresses, HTTPRoutes, VirtualServices and Routes of OpenShift."""
    return {
        name
        for path, content in files.items()
        if path.endswith(SUFFIXES) and any(kind in content for kind in _KINDS)
        for document in documents(files, path)
        for name in _backends(document)
        if name
    }


def _backends(document: dict[str, Any]) -> Iterator[str]:
    kind, spec = document.get("kind"), mapping(document, "spec")
    rules = list(map(mapping, items(spec.get("rules"))))
    if kind == "Ingress":
        backends = [mapping(spec, "defaultBackend"), mapping(spec, "backend")]
        backends += [
            mapping(path, "backend")
            for rule in rules
            for path in map(mapping, items(mapping(rule, "http").get("paths")))
        ]
        for backend in backends:
            yield text(mapping(backend, "service").get("name")) or text(backend.get("serviceName"))
    elif kind == "HTTPRoute" and not _is_of_mesh(spec):
        for backend in (mapping(entry) for rule in rules for entry in items(rule.get("backendRefs"))):
            yield text(backend.get("name"))
    elif kind == "VirtualService" and set(map(str, items(spec.get("gateways")))) - {"mesh"}:
        for rule in map(mapping, items(spec.get("http"))):
            for target in map(mapping, items(rule.get("route"))):
                yield text(mapping(target, "destination").get("host")).partition(".")[0]
    elif kind == "Route":
        yield text(mapping(spec, "to").get("name"))


def _is_of_mesh(spec: dict[str, Any]) -> bool:
    """Whether the route is for calls inside of the cluster."""
    parents = map(mapping, items(spec.get("parentRefs")))
    return any(parent.get("kind") == "Service" for parent in parents)
