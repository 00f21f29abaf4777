"""The `route` and `routes` sections of `.greenroom.yml`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from bot.config.fields import Label, Strict
from bot.model.naming import SEPARATOR
from bot.model.routing import Backend, RoutePath, RouteProtocol, Routing, ServiceRoute, path_problem

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_GRPC_PATH = re.compile(r"/|/[A-Za-z_][\w.]*(/[A-Za-z_]\w*)?")


def _path(path: str) -> str:
    if problem := path_problem(path):
        raise ValueError(problem)
    return path


def _name(name: str) -> str:
    if SEPARATOR in name:
        raise ValueError(f"a name has no `{SEPARATOR}`, which separates it from the environment's host")
    return name


def _host(host: str) -> str:
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise ValueError("expected a name such as api, or a host such as api.example.com, in lower case")
    return host


Path = Annotated[str, AfterValidator(_path)]
RouteName = Annotated[Label, AfterValidator(_name)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Route(Strict):
    """The only route of an environment."""

    service: Label
    port: Port


class PathMatch(Strict):
    """Exactly one of `prefix` and `exact`; may be written as the prefix alone."""

    prefix: Path | None = None
    exact: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"prefix": _path(value)} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> PathMatch:
        if (self.prefix is None) == (self.exact is None):
            raise ValueError("expected a path, `{prefix: /path}` or `{exact: /path}`")
        return self

    @property
    def path(self) -> RoutePath:
        return RoutePath(self.exact or self.prefix or "/", exact=self.exact is not None)


class NamedRoute(Route):
    """One of several routes."""

    name: RouteName
    host: Annotated[str, AfterValidator(_host)] | None = None
    paths: tuple[PathMatch, ...] = Field(default=(), max_length=8)
    protocol: RouteProtocol = RouteProtocol.HTTP

    @model_validator(mode="after")
    def _grpc_methods(self) -> NamedRoute:
        paths = [match.path.value for match in self.paths]
        if self.protocol is RouteProtocol.GRPC and not all(map(_GRPC_PATH.fullmatch, paths)):
            raise ValueError("a path of a gRPC route is /SERVICE or /SERVICE/METHOD, such as /shop.v1.Orders")
        return self


Routes = Annotated[
    Annotated[Literal["manifests"], Tag("[text]")]
    | Annotated[tuple[NamedRoute, ...], Field(min_length=1, max_length=16), Tag("[list]")],
    Discriminator(lambda value: "[text]" if isinstance(value, str) else "[list]"),
]
"""The loader omits parts in brackets from the paths of errors."""


def routing(
    route: Route | None,
    routes: Literal["manifests"] | Sequence[NamedRoute] | None,
    line: Callable[..., int] = lambda *_: 0,
) -> Routing:
    """The routes of an environment, of which the first one is on the environment's own host.

    `line` maps the path of a field to its line.
    """
    if route is not None:
        single = ServiceRoute(
            route.service,
            Backend(route.service, route.port),
            service_line=line("route", "service"),
            port_line=line("route", "port"),
        )
        return Routing((single,))
    if routes is None or isinstance(routes, str):
        return Routing(from_manifests=routes is not None)
    names: dict[str | None, str] = {None: "", routes[0].host: ""}
    return Routing(
        tuple(
            ServiceRoute(
                entry.name,
                Backend(entry.service, entry.port),
                names.setdefault(entry.host, entry.name),
                tuple(match.path for match in entry.paths) or (RoutePath("/"),),
                entry.protocol,
                f"routes.{index}",
                line("routes", index, "service"),
                line("routes", index, "port"),
            )
            for index, entry in enumerate(routes)
        )
    )
