"""Counts the requests of each backend, with the metrics of Traefik in Prometheus' text format."""

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from bot.cluster.client.api import Object

_LABELS = ("code", "method", "protocol", "service")
_BUCKETS = (0.1, 0.3, 1.2, 5.0)
"""Traefik's defaults."""
_METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))


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

    def answered(self, namespace: str, backend: Object, method: str, status: int, seconds: float) -> None:
        service = f"{namespace}-{backend['name']}-http-{backend.get('port')}@kubernetesgateway"
        labels = (str(status), method if method in _METHODS else "EXTENSION_METHOD", "http", service)
        self._requests.labels(*labels).inc()
        self._seconds.labels(*labels).observe(seconds)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """`GET /metrics`."""
        if request.path != "/metrics":
            return web.Response(status=404)
        return web.Response(body=generate_latest(self._registry), content_type="text/plain")
