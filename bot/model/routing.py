"""How an environment is reached: routes to its Services, its hosts and its addresses."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class RouteProtocol(StrEnum):
    HTTP = "http"
    """HTTP with WebSocket."""
    GRPC = "grpc"


@dataclass(frozen=True, slots=True)
class Backend:
    """Service and port behind a route."""

    service: str
    port: int


@dataclass(frozen=True, slots=True)
class RoutePath:
    value: str
    exact: bool = False
    """Whether only this path matches, not those below it."""


_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2}){0,1000}")
_NORMALISED = re.compile(r"//|/\.\.?(?:/|$)|%2[Ff]")


def path_problem(path: str) -> str | None:
    """Why a gateway cannot route this path; None when it can."""
    if not _PATH.fullmatch(path):
        return "a path starts with a slash and consists of the characters of a URL, such as /api"
    if _NORMALISED.search(path):
        return "a path has no empty parts, `.`, `..` or %2F, which gateways normalise"
    return None


@dataclass(frozen=True, slots=True)
class ServiceRoute:
    """A route to one Service, from `.greenroom.yml` or from an Ingress."""

    name: str
    backend: Backend
    host: str = ""
    """Name of the further host that serves the route; "" for the environment's own host."""
    paths: tuple[RoutePath, ...] = (RoutePath("/"),)
    protocol: RouteProtocol = RouteProtocol.HTTP
    field: str = "route"
    """Where it is configured, for messages."""
    service_line: int = dataclasses.field(default=0, compare=False)
    """The line of its Service; 0 if it is unknown."""
    port_line: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Routing:
    """The routes that an environment requests."""

    routes: tuple[ServiceRoute, ...] = ()
    from_manifests: bool = False
    """Whether routes and Ingresses of the manifests are kept: `routes: manifests`."""

    def __bool__(self) -> bool:
        return bool(self.routes) or self.from_manifests


NO_ROUTES = Routing()


@dataclass(frozen=True, slots=True)
class Hosts:
    """The host names of an environment."""

    own: str = ""
    """The environment's own host."""
    generated: str = ""
    """The host from which names of further hosts derive; differs from `own` on a stage with its own host."""
    named: Mapping[str, str] | None = None
    """Hosts that the operator granted to a stage, by the name of the further host."""


NO_HOSTS = Hosts()


@dataclass(frozen=True, slots=True)
class Address:
    """One way into an environment."""

    name: str
    host: str
    path: str = "/"
    protocol: RouteProtocol = RouteProtocol.HTTP
    probed: bool = True
    """Whether a request to the path shows that the route works."""


def variable_name(route: str) -> str:
    """The variable with the URL of a further route, such as `GREENROOM_URL_API`."""
    return f"GREENROOM_URL_{re.sub('[^A-Z0-9]', '_', route.upper())}"
