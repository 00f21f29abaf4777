"""Counts the requests of each backend, with the metrics of Traefik in Prometheus' text format."""

import hashlib
import json
from collections.abc import Collection

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from bot.cluster.client.api import Object

_LABELS = ("code", "method", "protocol", "service")
_BUCKETS = (0.1, 0.3, 1.2, 5.0)
"""Traefik's defaults."""
_METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))


def service_label(route: Object, rule: int, backend: int) -> str:
    """The name of a backend of a rule, as Traefik makes it since 3.7.6.

    Traefik has one for each match of a rule, this gateway one for all of them.
    """
    metadata, spec = route["metadata"], route["spec"]
    namespace, [parent, *_] = metadata["namespace"], spec["parentRefs"]
    gateway = f"{parent.get('namespace', namespace)}-{parent['name']}"
    matched = [spec.get("hostnames"), spec["rules"][rule].get("matches")]
    digest = hashlib.sha256(json.dumps(matched).encode()).hexdigest()[:20]
    router = f"httproute-{namespace}-{metadata['name']}-gw-{gateway}-ep-http-{rule}".replace(".", "-")
    service = spec["rules"][rule]["backendRefs"][backend]["name"]
    return f"{router}-{digest}-svc-{namespace}-{service}-{backend}@kubernetesgateway"


class BackendMetrics:
    """The metrics of one gateway since its start."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "traefik_service_requests", "Requests by Service", _LABELS, registry=self._registry
        )
        self._seconds = Histogram(
            "traefik_service_request_duration_seconds",
            "Time until the response by Service",
            _LABELS,
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._counted: set[tuple[str, ...]] = set()
        self._services: frozenset[str] = frozenset()
        self._ended: set[str] = set()

    def configure(self, services: Collection[str]) -> None:
        """These services exist from now on. The counters of others are given once more, and then deleted."""
        self._ended |= self._services.difference(services)
        self._services = frozenset(services)

    def answered(self, service: str, method: str, status: int, seconds: float) -> None:
        labels = (str(status), method if method in _METHODS else "EXTENSION_METHOD", "http", service)
        self._counted.add(labels)
        self._requests.labels(*labels).inc()
        self._seconds.labels(*labels).observe(seconds)

    def text(self) -> bytes:
        text = generate_latest(self._registry)
        for labels in [labels for labels in self._counted if labels[-1] in self._ended - self._services]:
            self._counted.remove(labels)
            self._requests.remove(*labels)
            self._seconds.remove(*labels)
        self._ended.clear()
        return text

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """`GET /metrics`."""
        if request.path != "/metrics":
            return web.Response(status=404)
        return web.Response(body=self.text(), content_type="text/plain")
