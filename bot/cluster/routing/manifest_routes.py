"""HTTPRoutes and GRPCRoutes of the manifests, moved to the environment's hosts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bot.cluster.client.kinds import GATEWAY_GROUP, GRPC_ROUTE, HTTP_ROUTE
from bot.cluster.guard.check import field_text
from bot.cluster.names import object_name
from bot.cluster.node import InvalidShape, Node
from bot.cluster.routing.hosts import HostNames, host_of
from bot.cluster.routing.ingress import RouteProblem
from bot.cluster.routing.services import Services, UnknownPort, UnknownService
from bot.model.manifest import Manifest
from bot.model.notes import Effect, Note
from bot.model.routing import Address, Hosts, RouteProtocol, path_problem

Object = dict[str, Any]

PROTOCOLS = {HTTP_ROUTE.name: RouteProtocol.HTTP, GRPC_ROUTE.name: RouteProtocol.GRPC}
_SCHEME = "the operator's Gateway redirects to https, if at all"
_FOREIGN = "none of these routes has the host, and a preview must not redirect to another environment"


class ManifestRoutes:
    """The rewritten routes with their addresses. Raises RouteProblem."""

    def __init__(
        self, routes: Sequence[Manifest], names: HostNames, hosts: Hosts, services: Services
    ) -> None:
        self.objects: list[Object] = []
        self.addresses: list[Address] = []
        self.notes: list[Note] = []
        self._names = names
        self._hosts = hosts
        self._services = services
        for route in routes:
            try:
                self._rewrite(route)
            except InvalidShape as error:
                raise RouteProblem(route, error.finding.path, error.finding.reason) from None

    def _rewrite(self, route: Manifest) -> None:
        protocol = PROTOCOLS[route["kind"]]
        spec = Node(route)["spec"]
        names: dict[str, None] = {}
        for host in spec["hostnames"].items():
            names[self._names.name(host.text().lower(), protocol)] = None
        names = names or {self._names.name("", protocol): None}
        served = [rule for rule in spec["rules"].items() if not self._is_scheme_redirect(route, rule)]
        if spec["rules"] and not served:
            return
        rules = [self._rule(route, rule) for rule in served]
        self.objects.append(
            {
                "apiVersion": f"{GATEWAY_GROUP}/v1",
                "kind": route["kind"],
                "metadata": route["metadata"],
                "spec": {
                    "hostnames": [host_of(name, self._hosts) for name in names],
                    "rules": rules or [{}],
                },
            }
        )
        for name in names:
            self.addresses += self._addresses(name, protocol, rules)

    def _rule(self, route: Manifest, rule: Node) -> Object:
        for reference in rule["backendRefs"].items():
            try:
                self._services.port(reference["name"].text(), reference["port"].value)
            except (UnknownService, UnknownPort) as error:
                raise RouteProblem(route, reference.path, str(error)) from None
        backends = [self._backend(route, reference) for reference in rule["backendRefs"].items()]
        return {**self._with_filters(route, rule), **({"backendRefs": backends} if backends else {})}

    def _backend(self, route: Manifest, reference: Node) -> Object:
        kept = self._with_filters(route, reference)
        return {key: value for key, value in kept.items() if key != "namespace"}

    def _with_filters(self, route: Manifest, node: Node) -> Object:
        """A rule or a backend, which have the same filters."""
        filters = [self._filter(route, item) for item in node["filters"].items()]
        return {**node.value, **({"filters": filters} if filters else {})}

    def _is_scheme_redirect(self, route: Manifest, rule: Node) -> bool:
        """Whether a rule only redirects to https. It would answer for the rules that serve the host."""
        redirects = [item["requestRedirect"] for item in rule["filters"].items() if item["requestRedirect"]]
        only = any(
            redirect["scheme"].text() == "https" and not redirect["hostname"] for redirect in redirects
        )
        if only:
            self.notes.append(Note(Effect.LEFT_OUT, object_name(route), _SCHEME, field_text(rule.path)))
        return only

    def _filter(self, route: Manifest, item: Node) -> Object:
        hostname = item.at("requestRedirect", "hostname")
        if not hostname:
            return dict(item.value)
        name = self._names.existing_name(hostname.text().lower())
        if name is None:
            raise RouteProblem(route, hostname.path, _FOREIGN)
        redirect = {**item.value["requestRedirect"], "hostname": host_of(name, self._hosts)}
        return {**item.value, "requestRedirect": redirect}

    def _addresses(self, name: str, protocol: RouteProtocol, rules: Sequence[Object]) -> Iterator[Address]:
        """One address for each rule; rules that a simple request does not reach are not probed."""
        host = host_of(name, self._hosts)
        shown: set[str] = set()
        for rule in rules:
            path = _path(rule, protocol)
            if path is not None and path not in shown:
                backends = rule["backendRefs"]
                first = name and not any(address.host == host for address in self.addresses)
                yield Address(
                    name if first and not shown else backends[0].get("name", ""), host, path, protocol
                )
                shown.add(path)
        if not shown:
            yield Address(name, host, "/", protocol, probed=False)


def _path(rule: Object, protocol: RouteProtocol) -> str | None:
    """A path that a simple request of the protocol reaches; None when there is none."""
    if not rule.get("backendRefs"):
        return None
    for match in rule.get("matches") or [{}]:
        if match.keys() - ({"path"} if protocol is RouteProtocol.HTTP else {"method"}):
            continue
        if protocol is RouteProtocol.GRPC:
            method = match.get("method") or {}
            if method.get("type", "Exact") == "Exact":
                return "/" + "/".join(filter(None, (method.get("service"), method.get("method"))))
        else:
            path = match.get("path") or {}
            value = str(path.get("value") or "/")
            if path.get("type", "PathPrefix") != "RegularExpression" and path_problem(value) is None:
                return value
    return None
