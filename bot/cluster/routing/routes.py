"""HTTPRoutes and GRPCRoutes of an environment: to Services, and on the operator's Gateway. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from bot.cluster.client.kinds import GATEWAY_GROUP, GRPC_ROUTE, HTTP_ROUTE
from bot.cluster.names import ROUTE
from bot.cluster.policy import ClusterPolicy
from bot.cluster.routing.hosts import host_of
from bot.model.errors import ManifestRefused
from bot.model.manifest import RELEASE_HEADER
from bot.model.routing import Address, Backend, Hosts, RoutePath, RouteProtocol, ServiceRoute

Object = dict[str, Any]

KINDS = {RouteProtocol.HTTP: HTTP_ROUTE, RouteProtocol.GRPC: GRPC_ROUTE}
_MODIFIER = "ResponseHeaderModifier"
_MODIFIER_FIELD = "responseHeaderModifier"
_MAX_RULES = 16
"""Rules of one object, a limit of the Gateway API."""


def service_routes(routes: Iterable[ServiceRoute], hosts: Hosts) -> list[Object]:
    """One object for each host, without the fields that `attached` adds."""
    ordered = sorted(routes, key=lambda route: route.host)
    objects = []
    for name, of_host in groupby(ordered, key=lambda route: route.host):
        same = list(of_host)
        for first in range(0, len(same), _MAX_RULES):
            chunk = same[first : first + _MAX_RULES]
            suffix = "-".join(filter(None, (name, str(first // _MAX_RULES + 1) if first else "")))
            kind = KINDS[chunk[0].protocol]
            objects.append(
                {
                    "apiVersion": kind.api_version,
                    "kind": kind.name,
                    "metadata": {"name": f"{ROUTE}-{suffix}" if suffix else ROUTE},
                    "spec": {"hostnames": [host_of(name, hosts)], "rules": [_rule(route) for route in chunk]},
                }
            )
    return objects


def service_addresses(routes: Iterable[ServiceRoute], hosts: Hosts) -> list[Address]:
    return [
        Address(route.name, host_of(route.host, hosts), route.paths[0].value, route.protocol)
        for route in routes
    ]


def attached(route: Object, release_id: str, policy: ClusterPolicy) -> Object:
    """The route on the operator's Gateway, an HTTPRoute with a response header that names the release.

    Raises ManifestRefused for a route without hosts, which would serve those of all environments.
    """
    spec = route["spec"]
    if not spec["hostnames"]:
        raise ManifestRefused(f"{route['kind']}/{route['metadata']['name']}: the route has no host.")
    gateway = {
        "group": GATEWAY_GROUP,
        "kind": "Gateway",
        "namespace": policy.gateway_namespace,
        "name": policy.gateway_name,
    }
    if route["kind"] == HTTP_ROUTE.name:  # gateways need not support the filter in GRPCRoutes
        filters = [with_release(rule.get("filters") or [], release_id) for rule in spec["rules"]]
        rules = [{**rule, "filters": own} for rule, own in zip(spec["rules"], filters, strict=True)]
        spec = {**spec, "rules": rules}
    return {**route, "spec": {"parentRefs": [gateway], **spec}}


def without_release(rule: Mapping[str, Any]) -> Object:
    """The rule without the response header that names the release."""
    filters = []
    for item in rule.get("filters") or []:
        if item.get("type") == _MODIFIER:
            others = [h for h in item[_MODIFIER_FIELD].get("set") or [] if h["name"] != RELEASE_HEADER]
            rest = {**item[_MODIFIER_FIELD], "set": others}
            kept = {key: value for key, value in rest.items() if value}
            filters += [{**item, _MODIFIER_FIELD: kept}] if kept else []
        else:
            filters.append(item)
    bare = {key: value for key, value in rule.items() if key != "filters"}
    return {**bare, "filters": filters} if filters else bare


def backends(routes: Sequence[Object]) -> list[str]:
    """The names of the Services behind the routes."""
    references = (
        reference["name"]
        for route in routes
        for rule in route["spec"]["rules"]
        for reference in rule.get("backendRefs") or []
    )
    return list(dict.fromkeys(references))


def _rule(route: ServiceRoute) -> Object:
    if route.protocol is RouteProtocol.GRPC:
        matches = [match for path in route.paths if (match := _method_match(path))]
    else:
        matches = [_path_match(path) for path in route.paths]
    return {**({"matches": matches} if matches else {}), "backendRefs": [_backend(route.backend)]}


def _path_match(path: RoutePath) -> Object:
    return {"path": {"type": "Exact" if path.exact else "PathPrefix", "value": path.value}}


def _method_match(path: RoutePath) -> Object:
    """The match for `/SERVICE/METHOD` or `/SERVICE`; empty for all methods."""
    service, _, method = path.value.strip("/").partition("/")
    names = {"service": service, "method": method}
    return {"method": {key: name for key, name in names.items() if name}} if service else {}


def _backend(backend: Backend) -> Object:
    return {"group": "", "kind": "Service", "name": backend.service, "port": backend.port, "weight": 1}


def with_release(filters: Sequence[Object], release_id: str) -> list[Object]:
    """The filters with our response header; a rule may have only one filter of this type."""
    own = [item for item in filters if item.get("type") == _MODIFIER]
    fields = dict(own[0][_MODIFIER_FIELD]) if own else {}
    name = RELEASE_HEADER.lower()
    for key in ("set", "add"):
        others = [header for header in fields.pop(key, None) or [] if header["name"].lower() != name]
        if others:
            fields[key] = others
    removed = [header for header in fields.pop("remove", None) or [] if header.lower() != name]
    if removed:
        fields["remove"] = removed
    fields["set"] = [*fields.get("set", []), {"name": RELEASE_HEADER, "value": release_id}]
    return [item for item in filters if item not in own] + [{"type": _MODIFIER, _MODIFIER_FIELD: fields}]
