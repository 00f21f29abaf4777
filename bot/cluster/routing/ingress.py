"""Translates Ingresses into routes to Services. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.cluster.guard.check import field_text
from bot.cluster.names import object_name
from bot.cluster.node import InvalidShape, Node
from bot.cluster.routing.hosts import HostNames
from bot.cluster.routing.services import Services, UnknownPort, UnknownService
from bot.config.documents import Path
from bot.model.manifest import Manifest
from bot.model.notes import Effect, Note
from bot.model.routing import Backend, RoutePath, ServiceRoute, path_problem

_PATTERN_START = re.compile(r".[*+?]|[()\[\]{}^$|\\]")
_WHOLE_PART = re.compile(r"/|\((\?:)?/|\(?\.\*|\(?\$")
"""Patterns before which a part of the path ends."""
_PATTERN = "routes have no patterns in paths, so the route keeps the literal beginning"
_SAME_PATH = "another Ingress has this path of the host"


class RouteProblem(Exception):
    """A route of the manifests that cannot be served. `path` leads to the field."""

    def __init__(self, manifest: Manifest, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.manifest = manifest
        self.path = path


@dataclass(slots=True)
class _Translation:
    hosts: HostNames
    services: Services
    backends: dict[tuple[str, RoutePath], Backend] = field(default_factory=dict)
    """Backends by the name of the host and the path, in the order of the Ingresses."""
    defaults: dict[str, Backend] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def ingress_routes(
    ingresses: Sequence[Manifest], hosts: HostNames, services: Services
) -> tuple[list[ServiceRoute], list[Note]]:
    """The routes of guarded Ingresses, and what they do not keep. Raises RouteProblem.

    The first path of each host names its route like the host, all others like their Service.
    """
    translation = _Translation(hosts, services)
    for ingress in ingresses:
        try:
            _translate(ingress, translation)
        except InvalidShape as error:
            raise RouteProblem(ingress, error.finding.path, error.finding.reason) from None
    for name, backend in translation.defaults.items():
        translation.backends.setdefault((name, RoutePath("/")), backend)
    grouped: dict[tuple[str, Backend], list[RoutePath]] = {}
    for (host, path), backend in translation.backends.items():
        grouped.setdefault((host, backend), []).append(path)
    routes: list[ServiceRoute] = []
    for (host, backend), paths in grouped.items():
        first = host and not any(route.host == host for route in routes)
        routes.append(ServiceRoute(host if first else backend.service, backend, host, tuple(paths)))
    return routes, translation.notes


def _translate(ingress: Manifest, translation: _Translation) -> None:
    spec = Node(ingress)["spec"]
    rules = list(spec["rules"].items())
    names = []
    for rule in rules:
        host = rule["host"].text().lower()
        name = translation.hosts.name(host)
        names.append(name)
        for item in rule.at("http", "paths").items():
            path = _path(ingress, item, translation)
            backend = _backend(ingress, item["backend"], translation.services)
            other = translation.backends.setdefault((name, path), backend)
            if other != backend:
                translation.notes.append(_note(ingress, Effect.LEFT_OUT, item["path"], _SAME_PATH))
    if spec["defaultBackend"]:
        backend = _backend(ingress, spec["defaultBackend"], translation.services)
        for name in names or [translation.hosts.name("")]:
            translation.defaults.setdefault(name, backend)


def _path(ingress: Manifest, item: Node, translation: _Translation) -> RoutePath:
    text, kind = item["path"].text() or "/", item["pathType"].text()
    path = text if kind == "Exact" else literal_prefix(text)
    if path != text:
        translation.notes.append(_note(ingress, Effect.REWRITTEN, item["path"], _PATTERN, path))
    if problem := path_problem(path):
        raise RouteProblem(ingress, item["path"].path, problem)
    return RoutePath(path, exact=kind == "Exact")


def literal_prefix(path: str) -> str:
    """The parts of a path before the first one that is a regular expression or a wildcard.

    `/api(/|$)(.*)` and `/api/*` become `/api`, `/v[0-9]+/items` becomes `/`.
    """
    pattern = _PATTERN_START.search(path)
    if pattern is None:
        return path
    literal = path[: pattern.start()]
    if not _WHOLE_PART.match(path, pattern.start()):
        literal = literal.rpartition("/")[0]
    return literal.rstrip("/") or "/"


def _backend(ingress: Manifest, backend: Node, services: Services) -> Backend:
    service = backend["service"]
    port = service["port"]
    try:
        name = service["name"].text()
        return Backend(name, services.port(name, port["name"].text() or port["number"].value))
    except (UnknownService, UnknownPort) as error:
        raise RouteProblem(ingress, service.path, str(error)) from None


def _note(ingress: Manifest, effect: Effect, field: Node, reason: str, value: str = "") -> Note:
    return Note(effect, object_name(ingress), reason, field_text(field.path), value)
