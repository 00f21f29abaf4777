"""Which Service is behind the URL of an environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cluster.client.kinds import ROUTES
from bot.cluster.manifests import Source
from bot.cluster.proposal.workloads import image_names
from bot.cluster.render.transforms.base import items, mapping, name_of, text

_FRONT = frozenset(
    [
        "app",
        "frontend",
        "front",
        "gateway",
        "home",
        "portal",
        "public",
        "site",
        "ui",
        "web",
        "webapp",
        "website",
        "webui",
        "www",
    ]
)
_BEHIND = frozenset(["admin", "api", "backend", "db", "internal", "metrics", "worker"])
_HTTP_PORTS = frozenset((80, 443, 3000, 4200, 5000, 8000, 8080, 8081, 8443, 9000))
_OTHER_PORTS = frozenset((1433, 3306, 4222, 5432, 5672, 6379, 9042, 9092, 9200, 11211, 27017))
"""Ports of databases and queues."""
_GRPC_PORT = 50051
_EXPOSED = ("LoadBalancer", "NodePort")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A port of a Service that may be what users open."""

    service: str
    port: int
    grpc: bool
    score: int
    exposed: bool = False
    """Whether production makes it reachable from outside, probably for HTTP."""


def own_routes(sources: Sequence[Source]) -> list[str]:
    """The routes and Ingresses of the manifests."""
    return [
        f"{source.manifest['kind']}/{name_of(source)}"
        for source in sources
        if (source.manifest["apiVersion"].rpartition("/")[0], source.manifest["kind"]) in ROUTES
    ]


def candidates(
    sources: Sequence[Source], own: Collection[str], published: Collection[str] = ()
) -> list[Candidate]:
    """Ports of Services in front of pods, the most likely one first.

    `own` are images that CI builds, `published` the Services of routes in the repository.
    """
    ports = [
        Candidate(
            name_of(source),
            port["port"],
            _is_grpc(port),
            _score(source, port, sources, own) + 4 * (name_of(source) in published),
            mapping(source.manifest, "spec").get("type") in _EXPOSED and _is_http(port),
        )
        for source in sources
        if source.manifest["kind"] == "Service" and mapping(source.manifest, "spec").get("selector")
        for port in map(mapping, items(mapping(source.manifest, "spec").get("ports")))
        if isinstance(port.get("port"), int) and port["port"] not in _OTHER_PORTS
    ]
    best: dict[str, Candidate] = {}
    for candidate in sorted(ports, key=lambda candidate: -candidate.score):
        best.setdefault(candidate.service, candidate)
    return list(best.values())


def _score(source: Source, port: dict[str, Any], sources: Sequence[Source], own: Collection[str]) -> int:
    spec = mapping(source.manifest, "spec")
    return (
        4 * (spec.get("type") in _EXPOSED)
        + 3 * bool(_FRONT & set(re.split(r"[-_.]", name_of(source).lower())))
        - 1 * bool(_BEHIND & set(re.split(r"[-_.]", name_of(source).lower())))
        + 2 * bool(image_names(sources, spec["selector"]) & set(own))
        + 1 * _is_http(port)
        - 3 * _is_grpc(port)
        - 4 * (spec.get("clusterIP") == "None")
    )


def _is_http(port: dict[str, Any]) -> bool:
    return text(port.get("name")).lower() in ("http", "https", "web") or port["port"] in _HTTP_PORTS


def _is_grpc(port: dict[str, Any]) -> bool:
    texts = (text(port.get("name")).lower(), text(port.get("appProtocol")).lower())
    return any("grpc" in word or word == "kubernetes.io/h2c" for word in texts) or port["port"] == _GRPC_PORT
