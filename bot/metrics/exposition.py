"""Counters of requests in Prometheus' text format, as Traefik names them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from bot.model.rollout import NO_COUNTS, Backend, Counts

_REQUESTS = "traefik_service_requests_total"
_BUCKETS = "traefik_service_request_duration_seconds_bucket"
_LEAST_ERROR = 500
GRPC_ERRORS = (2, 4, 12, 13, 14, 15)
"""Codes of server errors: unknown, deadline exceeded, unimplemented, internal, unavailable and data loss.

Traefik gives the status of gRPC calls as their code, which no HTTP response has.
"""
_PROVIDER = "@kubernetesgateway"
_OF_ROUTE = re.compile(rf"(?:http|grpc)route-(.+?)-[0-9a-f]{{20}}-svc-(.+)-[0-9]+{_PROVIDER}")
"""Service label since Traefik 3.7.6: a rule of a route and its Service. Before: a Service and its port."""

Owner = TypeVar("Owner")


class ServiceLabels(Generic[Owner]):
    """Owner of the requests that Traefik counts under a value of its label `service`."""

    def __init__(self, services: Mapping[tuple[str, Backend], Owner]) -> None:
        """`services` are Services by namespace, with their owners."""
        self._of_ports: dict[str, Owner] = {}
        self._of_routes: dict[str, list[tuple[str, Owner]]] = {}
        self._owners: dict[str, Owner | None] = {}
        for (namespace, backend), owner in services.items():
            name = f"{namespace}-{backend.service}"
            for protocol in ("http", "grpc"):
                self._of_ports[f"{name}-{protocol}-{backend.port}{_PROVIDER}"] = owner
            self._of_routes.setdefault(name, []).append((f"{namespace}-", owner))

    def owner(self, label: str) -> Owner | None:
        if label not in self._owners:  # many lines have the same one
            self._owners[label] = self._of_ports.get(label, self._owner_of_route(label))
        return self._owners[label]

    def _owner_of_route(self, label: str) -> Owner | None:
        match = _OF_ROUTE.fullmatch(label)
        if match is None:
            return None
        route, service = match.groups()
        # A route refers to Services of its own namespace.
        owners = [item for item in self._of_routes.get(service, ()) if route.startswith(item[0])]
        return max(owners, key=lambda item: len(item[0]))[1] if owners else None


def counts(text: str, services: ServiceLabels[bool]) -> Mapping[str, Counts]:
    """The counters of these services in a text, by label. Raises ValueError for another format."""
    totals: dict[str, Counts] = {}
    for name, labels, value in _samples(text):
        label = labels.get("service", "")
        if services.owner(label) is None:
            continue
        if name == _REQUESTS:
            failed = value if _is_error(labels.get("code", "")) else 0
            added = Counts(value, failed)
        elif (bound := labels.get("le")) is not None:
            added = Counts(buckets={bound: value})
        else:
            continue
        totals[label] = totals.get(label, NO_COUNTS) + added
    return totals


def totals(text: str, services: ServiceLabels[Owner]) -> Mapping[Owner, int]:
    """The requests of each owner with services in a text. Raises ValueError like `counts`."""
    requests: dict[Owner, int] = {}
    for name, labels, value in _samples(text, (_REQUESTS,)):
        owner = services.owner(labels.get("service", ""))
        if owner is not None and name == _REQUESTS:
            requests[owner] = requests.get(owner, 0) + value
    return requests


def _samples(
    text: str, names: tuple[str, ...] = (_REQUESTS, _BUCKETS)
) -> Iterator[tuple[str, Mapping[str, str], int]]:
    """Only the lines that count: a gateway of many routes has many others."""
    lines = [line for line in text.splitlines() if line.startswith(names)]
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            yield sample.name, sample.labels, int(sample.value)


def _is_error(code: str) -> bool:
    return code.isdigit() and (int(code) >= _LEAST_ERROR or int(code) in GRPC_ERRORS)
