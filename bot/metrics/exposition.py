"""Counters of requests in Prometheus' text format, as Traefik names them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

from bot.model.rollout import NO_COUNTS, Backend, Counts

_REQUESTS = "traefik_service_requests_total"
_BUCKETS = "traefik_service_request_duration_seconds_bucket"
_LEAST_ERROR = 500

Owner = TypeVar("Owner")


def service_labels(namespace: str, backend: Backend) -> Collection[str]:
    """The values of the label `service` with which Traefik counts the requests of routes to a Service."""
    name = f"{namespace}-{backend.service}"
    return {f"{name}-{protocol}-{backend.port}@kubernetesgateway" for protocol in ("http", "grpc")}


def counts(text: str, services: Collection[str]) -> Counts:
    """The counters of these services in a text. Raises ValueError for one that is not in the format."""
    total = NO_COUNTS
    for name, labels, value in _samples(text):
        if labels.get("service") not in services:
            continue
        if name == _REQUESTS:
            failed = value if _is_error(labels.get("code", "")) else 0
            total += Counts(value, failed)
        elif (bound := labels.get("le")) is not None:
            total += Counts(buckets={bound: value})
    return total


def totals(text: str, owners: Mapping[str, Owner]) -> Mapping[Owner, int]:
    """The requests of each owner of services in a text. Raises ValueError like `counts`."""
    requests = dict.fromkeys(owners.values(), 0)
    for name, labels, value in _samples(text, (_REQUESTS,)):
        owner = owners.get(labels.get("service", ""))
        if owner is not None and name == _REQUESTS:
            requests[owner] += value
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
    return code.isdigit() and int(code) >= _LEAST_ERROR
