"""Problems of routes across the sections of `.greenroom.yml`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot.config.fields import EnvironmentSection, HttpCheck, Problem
from bot.config.schema import Configuration
from bot.config.stages import Stage
from bot.model.placeholders import Placeholder, placeholders
from bot.model.routing import RoutePath, Routing, ServiceRoute

_ADDRESS = frozenset((Placeholder.URL, Placeholder.HOST))


def route_problems(configuration: Configuration) -> Iterator[Problem]:
    """Conflicting routes, hosts of stages, and references to routes that do not exist."""
    if configuration.route is not None and configuration.routes is not None:
        yield ("routes",), "set either `route` or `routes`"
    routing = configuration.routing
    yield from _conflicts(routing.routes)
    yield from _hosts(configuration.stages, routing)
    if not routing:
        yield from _addresses(("manifests", "helm", "set"), configuration.manifests.helm_settings)
        if (added := configuration.preview.manifests) is not None:
            yield from _addresses(("preview", "manifests", "set"), added.set)
    for path, section in _sections(configuration):
        yield from _checks(path, section, routing)
        if not routing:
            yield from _addresses((*path, "config"), section.config)


def _addresses(path: tuple[str, ...], values: Mapping[str, object]) -> Iterator[Problem]:
    for name, value in values.items():
        if isinstance(value, str) and _ADDRESS & placeholders(value):
            yield (*path, name), "{url} and {host} need a `route` or `routes`"


def _sections(configuration: Configuration) -> Iterator[tuple[tuple[str, ...], EnvironmentSection]]:
    yield ("preview",), configuration.preview
    for name, stage in configuration.stages.items():
        yield ("stages", name), stage
    for name, demo in configuration.demo.items():
        yield ("demo", name), demo


def _conflicts(routes: Sequence[ServiceRoute]) -> Iterator[Problem]:
    names: set[str] = set()
    paths: dict[tuple[str, RoutePath], str] = {}
    first_of_host: dict[str, ServiceRoute] = {}
    for index, route in enumerate(routes):
        if route.name in names:
            yield ("routes", index, "name"), f"two routes have the name {route.name!r}"
        names.add(route.name)
        for path in route.paths:
            if (other := paths.setdefault((route.host, path), route.name)) != route.name:
                message = f"the route {other!r} has {path.value} of this host; set another path or a `host`"
                yield ("routes", index, "paths"), message
        first = first_of_host.setdefault(route.host, route)
        if first.protocol is not route.protocol:
            message = (
                f"gRPC and HTTP need different hosts, and this one is that of {first.name!r}; set a `host`"
            )
            yield ("routes", index, "host"), message


def _hosts(stages: Mapping[str, Stage], routing: Routing) -> Iterator[Problem]:
    further = {route.host for route in routing.routes if route.host}
    users: dict[str, str] = {}
    for name, stage in stages.items():
        for path, host in stage.own_hosts.items():
            where = ("stages", name, *path)
            if not routing:
                yield where, "a host needs a `route`"
            elif len(path) > 1 and not routing.from_manifests and path[1] not in further:
                names = ", ".join(sorted(further)) or "none"
                yield where, f"no route has a host of this name (names of further hosts: {names})"
            elif host in users:
                yield where, f"{host} is already the host of {users[host]}"
            users[host] = name


def _checks(path: tuple[str, ...], section: EnvironmentSection, routing: Routing) -> Iterator[Problem]:
    names = [route.name for route in routing.routes]
    for index, check in enumerate(section.checks):
        match check.kind:
            case HttpCheck(_, route) if route and not routing.from_manifests and route not in names:
                existing = ", ".join(names) or "none"
                yield (
                    (*path, "checks", index, "http", "route"),
                    f"unknown route {route!r} (routes: {existing})",
                )
