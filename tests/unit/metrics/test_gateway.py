"""Counters of the gateway, from the embedded gateway's own metrics."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from bot.embedded.gateway.metrics import BackendMetrics
from bot.metrics.exposition import counts, service_labels, totals
from bot.model.rollout import Backend

_SHOP = {"name": "shop", "port": 80}


def _text(metrics: BackendMetrics) -> str:
    return generate_latest(metrics._registry).decode()


def test_requests_errors_and_durations_are_counted_by_service() -> None:
    metrics = BackendMetrics()
    for status, seconds in ((200, 0.05), (404, 0.2), (500, 2.0), (503, 0.01)):
        metrics.answered("production", _SHOP, "GET", status, seconds)
    metrics.answered("production", {"name": "other", "port": 80}, "GET", 500, 9.0)
    read = counts(_text(metrics), service_labels("production", Backend("shop", 80)))
    assert (read.requests, read.errors) == (4, 2)
    assert read.slower_than(0.1) == 2
    assert read.slower_than(1.2) == 1
    assert read.slower_than(0.25) is None


def test_requests_are_added_up_by_environment() -> None:
    metrics = BackendMetrics()
    for namespace, name in (("one", "shop"), ("one", "admin"), ("two", "shop"), ("three", "shop")):
        metrics.answered(namespace, {"name": name, "port": 80}, "GET", 200, 0.1)
    owners = {
        label: namespace
        for namespace, name in (("one", "shop"), ("one", "admin"), ("two", "shop"), ("four", "shop"))
        for label in service_labels(namespace, Backend(name, 80))
    }
    assert totals(_text(metrics), owners) == {"one": 2, "two": 1, "four": 0}


def test_no_requests_are_no_counts() -> None:
    assert counts(_text(BackendMetrics()), service_labels("production", Backend("shop", 80))).requests == 0


def test_text_in_another_format_is_an_error() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own words
        counts('traefik_service_requests_total{service="x} many\n', {"x"})
