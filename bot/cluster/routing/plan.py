"""The routes of an environment: those of `.greenroom.yml`, or those of its manifests. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.cluster.client.kinds import INGRESS
from bot.cluster.guard.check import field_text, message
from bot.cluster.manifests import Source
from bot.cluster.names import object_name
from bot.cluster.node import Finding, InvalidShape, Node
from bot.cluster.routing.hosts import HostNames, host_of
from bot.cluster.routing.ingress import RouteProblem, ingress_routes
from bot.cluster.routing.manifest_routes import PROTOCOLS, ManifestRoutes
from bot.cluster.routing.routes import backends, service_addresses, service_routes
from bot.cluster.routing.services import Services, UnknownPort, UnknownService
from bot.config.loader import CONFIG_FILE
from bot.model.errors import ManifestRefused
from bot.model.manifest import Manifest, RenderRequest
from bot.model.notes import Effect, Note
from bot.model.routing import Address, Hosts, RouteProtocol, ServiceRoute

Object = dict[str, Any]
_MAX_ADDRESSES = 64
_OWN_HOSTS = "each environment has hosts of its own"


@dataclass(frozen=True, slots=True)
class RoutePlan:
    objects: Sequence[Object] = ()
    """HTTPRoutes and GRPCRoutes before they are attached to the Gateway."""
    addresses: tuple[Address, ...] = ()
    """The first one is on the environment's own host; names are unique."""
    notes: tuple[Note, ...] = ()
    selectors: Sequence[Mapping[str, str]] = ()
    """The selectors of the Services behind the routes."""


def is_kept_route(manifest: Manifest) -> bool:
    """Whether a guarded object is a route, of which the plan makes those of the environment."""
    return manifest["kind"] in (*PROTOCOLS, INGRESS.name)


def plan_routes(
    request: RenderRequest, manifests: Sequence[Manifest], sources: Sequence[Source]
) -> RoutePlan:
    """The plan for guarded objects; `sources` lead to their lines. Raises ManifestRefused."""
    services = Services(manifests)
    if not request.routing.from_manifests:
        configured = request.routing.routes
        for route in configured:
            _require_backend(route, services)
        plan = _service_plan(configured, request.hosts)
    else:
        routes = [manifest for manifest in manifests if is_kept_route(manifest)]
        try:
            plan = _manifest_plan(routes, request.hosts, services)
        except RouteProblem as problem:
            name = object_name(problem.manifest)
            source = next(item for item in sources if object_name(item.manifest) == name)
            raise ManifestRefused(message(source, Finding(problem.path, str(problem)))) from None
    if len(plan.addresses) > _MAX_ADDRESSES:
        raise ManifestRefused(f"The routes have more than {_MAX_ADDRESSES} addresses, which is the limit.")
    selectors = [services.selector(name) for name in backends(plan.objects)]
    return replace(plan, addresses=_unique(plan.addresses), selectors=selectors)


def _service_plan(routes: Sequence[ServiceRoute], hosts: Hosts) -> RoutePlan:
    return RoutePlan(service_routes(routes, hosts), tuple(service_addresses(routes, hosts)))


def _manifest_plan(routes: Sequence[Manifest], hosts: Hosts, services: Services) -> RoutePlan:
    names, renamed = HostNames(), list[Note]()
    for route in routes:  # names depend on the order of all routes, whatever their kind
        for field in _host_fields(route):
            name = names.name(field.text().lower(), PROTOCOLS.get(route["kind"], RouteProtocol.HTTP))
            if field and (host := host_of(name, hosts)):
                path = field_text(field.path)
                renamed.append(Note(Effect.REWRITTEN, object_name(route), _OWN_HOSTS, path, host))
    ingresses = [route for route in routes if route["kind"] == INGRESS.name]
    translated, notes = ingress_routes(ingresses, names, services)
    plan = _service_plan(translated, hosts)
    others = [route for route in routes if route["kind"] != INGRESS.name]
    kept = ManifestRoutes(others, names, hosts, services)
    addresses = sorted((*plan.addresses, *kept.addresses), key=lambda address: address.host != hosts.own)
    return RoutePlan((*plan.objects, *kept.objects), tuple(addresses), (*renamed, *notes, *kept.notes))


def _host_fields(route: Manifest) -> list[Node]:
    """The hosts of a route; absent nodes for rules of an Ingress without a host."""
    spec = Node(route)["spec"]
    try:
        if route["kind"] == INGRESS.name:
            return [rule["host"] for rule in spec["rules"].items()]
        return list(spec["hostnames"].items())
    except InvalidShape as error:
        raise RouteProblem(route, error.finding.path, error.finding.reason) from None


def _require_backend(route: ServiceRoute, services: Services) -> None:
    try:
        services.selector(route.backend.service)
        services.port(route.backend.service, route.backend.port)
    except UnknownService as error:
        raise ManifestRefused(f"{_place(route.service_line)}, {route.field}.service: {error}.") from None
    except UnknownPort as error:
        raise ManifestRefused(f"{_place(route.port_line)}, {route.field}.port: {error}.") from None


def _place(line: int) -> str:
    return f"{CONFIG_FILE}, line {line}" if line else CONFIG_FILE


def _unique(addresses: Sequence[Address]) -> tuple[Address, ...]:
    """The addresses with different names: those after the first get a number."""
    taken: set[str] = set()
    unique = []
    for address in addresses:
        name, number = address.name, 1
        while name in taken:
            number += 1
            name = f"{address.name}-{number}"
        taken.add(name)
        unique.append(replace(address, name=name))
    return tuple(unique)
