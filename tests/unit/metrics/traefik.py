"""Requests as Traefik counts them, for tests of what is read."""

from __future__ import annotations

from bot.cluster.client.api import Object
from bot.embedded.gateway.metrics import BackendMetrics, service_label


def label(
    namespace: str, service: str, backend: int = 0, rule: int = 0, route: str = "greenroom-route"
) -> str:
    """The name of a Service behind a route since Traefik 3.7.6."""
    rules: list[Object] = [{"backendRefs": []} for _ in range(rule + 1)]
    rules[rule]["backendRefs"] = [{"name": service, "port": 80}] * (backend + 1)
    spec = {"parentRefs": [{"name": "public", "namespace": "gateways"}], "rules": rules}
    return service_label({"metadata": {"name": route, "namespace": namespace}, "spec": spec}, rule, backend)


def shop_requests(metrics: BackendMetrics) -> None:
    """Four requests to a shop, two of which failed, and one to another Service."""
    for status, seconds in ((200, 0.05), (404, 0.2), (500, 2.0), (503, 0.01)):
        metrics.answered(label("production", "shop"), "GET", status, seconds)
    metrics.answered(label("production", "other"), "GET", 500, 9.0)
