"""Counters of the gateway, from the embedded gateway's own metrics."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from aiohttp import web

from bot.embedded.gateway.metrics import BackendMetrics
from bot.metrics.exposition import ServiceLabels, counts, totals
from bot.metrics.gateway import GatewayMetrics
from bot.model.rollout import NO_COUNTS, Backend, Counts
from tests.unit.metrics.traefik import label, shop_requests

_SHOP = Backend("shop", 80)


def _counts(metrics: BackendMetrics) -> Mapping[str, Counts]:
    return counts(metrics.text().decode(), ServiceLabels({("production", _SHOP): True}))


def test_requests_errors_and_durations_are_counted_by_service() -> None:
    metrics = BackendMetrics()
    shop_requests(metrics)
    [read] = _counts(metrics).values()
    assert (read.requests, read.errors) == (4, 2)
    assert read.slower_than(0.1) == 2
    assert read.slower_than(1.2) == 1
    assert read.slower_than(0.25) is None


def test_failed_calls_of_grpc_are_errors() -> None:
    """Traefik gives their status as code: 0 is a success, 5 a call for what does not exist, 14 no answer."""
    metrics = BackendMetrics()
    for status in (0, 0, 5, 13, 14):
        metrics.answered(label("production", "shop"), "POST", status, 0.05)
    [read] = _counts(metrics).values()
    assert (read.requests, read.errors) == (5, 2)


@pytest.mark.parametrize(
    "name",
    [
        "production-shop-http-80@kubernetesgateway",
        "production-shop-grpc-80@kubernetesgateway",
        "httproute-production-web-gw-gateways-public-ep-web-0-0123456789abcdef0123-svc-production-shop-1"
        "@kubernetesgateway",
        "grpcroute-production-web-gw-gateways-public-ep-web-0-0123456789abcdef0123-svc-production-shop-0"
        "@kubernetesgateway",
    ],
)
def test_names_of_all_versions_of_traefik_are_known(name: str) -> None:
    assert ServiceLabels({("production", _SHOP): True}).owner(name)


@pytest.mark.parametrize(
    "name",
    [
        "production-shop-http-81@kubernetesgateway",
        "production-shop-http-80@kubernetescrd",
        label("production", "shop-canary"),
        label("production", "shop").replace("svc-production", "svc-preview"),
        label("preview", "abcdef0123456789abcd-svc-production-shop"),
        label("preview", "shop", route="web-abcdef0123456789abcd-svc-production-shop"),
    ],
)
def test_names_of_other_services_are_not_counted(name: str) -> None:
    assert ServiceLabels({("production", _SHOP): True}).owner(name) is None


def test_namespace_of_the_route_decides_between_equal_names() -> None:
    services = ServiceLabels({("shop", Backend("eu-web", 80)): 1, ("shop-eu", Backend("web", 80)): 2})
    assert services.owner(label("shop-eu", "web")) == 2
    assert services.owner(label("shop", "eu-web")) == 1


def test_requests_are_added_up_by_environment() -> None:
    metrics = BackendMetrics()
    for namespace, name in (("one", "shop"), ("one", "admin"), ("two", "shop"), ("three", "shop")):
        metrics.answered(label(namespace, name), "GET", 200, 0.1)
    metrics.answered(label("one", "shop", rule=1), "GET", 200, 0.1)
    services = ServiceLabels(
        {
            (namespace, Backend(name, 80)): namespace
            for namespace, name in (("one", "shop"), ("one", "admin"), ("two", "shop"), ("four", "shop"))
        }
    )
    assert totals(metrics.text().decode(), services) == {"one": 3, "two": 1}


async def test_a_counter_that_vanishes_is_not_the_restart_of_another_one() -> None:
    """A candidate beside the first Service of a rule gives the second one another name."""
    metrics = BackendMetrics()
    web_, before, after = label("shop", "web"), label("shop", "api", 1), label("shop", "api", 2)
    runner = web.ServerRunner(web.Server(metrics.handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    backends = [Backend("web", 80), Backend("api", 80)]
    try:
        async with GatewayMetrics(f"http://127.0.0.1:{runner.addresses[0][1]}/metrics") as gateway:
            metrics.configure([web_, before])
            for name, requests in ((web_, 100), (before, 500)):
                for _ in range(requests):
                    metrics.answered(name, "GET", 500, 0.1)
            earlier = await gateway.read("shop", backends)
            metrics.configure([web_, after])
            for name in (web_, after, after):
                metrics.answered(name, "GET", 200, 0.1)
            metrics.text()
            now = await gateway.read("shop", backends)
    finally:
        await runner.cleanup()
    added = [counted.since(earlier.get(source, NO_COUNTS)) for source, counted in now.items()]
    total = sum(added, NO_COUNTS)
    assert (total.requests, total.errors) == (3, 0)


def test_no_requests_are_no_counts() -> None:
    assert _counts(BackendMetrics()) == {}


def test_text_in_another_format_is_an_error() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own words
        counts('traefik_service_requests_total{service="x} many\n', ServiceLabels({}))
