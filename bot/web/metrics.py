"""Prometheus metrics. Other packages use the methods they need through their own Protocols."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.model.drift import DriftState

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_SLOW = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)

_EVENTS = frozenset(
    [
        "check_run",
        "check_suite",
        "installation",
        "installation_repositories",
        "issue_comment",
        "ping",
        "pull_request",
        "push",
        "repository",
        "status",
    ]
)
"""Other event names share one label: unsigned requests must not create unlimited time series."""


class _RequestedHours(Collector):
    """Two gauges with a sample for each environment, made when they are read."""

    def __init__(self) -> None:
        self.hours: Mapping[str, tuple[float, float]] = {}

    def collect(self) -> Iterator[Metric]:
        requested = "that an environment has requested so far"
        cores = GaugeMetricFamily(
            "greenroom_requested_core_hours", f"CPU {requested}, in core hours", labels=["environment"]
        )
        gibibytes = GaugeMetricFamily(
            "greenroom_requested_gibibyte_hours",
            f"Memory {requested}, in gibibyte hours",
            labels=["environment"],
        )
        for environment, (core_hours, gibibyte_hours) in self.hours.items():
            cores.add_metric([environment], core_hours)
            gibibytes.add_metric([environment], gibibyte_hours)
        yield cores
        yield gibibytes


class Metrics:
    """One process's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"greenroom_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"greenroom_{name}", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"greenroom_{name}", meaning, labels, buckets=buckets, registry=registry)

        deliveries = counter("deliveries", "Webhook deliveries by response status", "event", "status")
        self._delivered = cache(deliveries.labels)
        self._acknowledgement = histogram("acknowledgement_seconds", "Time from request to response", _FAST)
        self._queue_depth = gauge("queue_depth", "Work queue keys by state", "state")
        self._queue_age = gauge("queue_oldest_seconds", "Waiting time of the oldest due key")
        self._transactions = counter("store_transactions", "Transactions of the store", "name")
        self._counted_transactions: dict[str, int] = {}
        self._work = histogram(
            "work_seconds", "Duration of runs of a worker on one key", _SLOW, "kind", "outcome"
        )
        self._phases = histogram("phase_seconds", "Duration of phases", _SLOW, "phase")
        self._rollout_steps = counter("rollout_steps", "Steps of rollouts", "strategy", "weight")
        self._rollout_verdicts = counter("rollout_verdicts", "Verdicts about steps of rollouts", "verdict")
        self._environments = gauge("environments", "Environments by state", "state")
        self._requested = _RequestedHours()
        registry.register(self._requested)
        self._promotions = gauge("promotions", "Promotions by state, including ended ones", "state")
        self._approval_age = gauge(
            "approval_oldest_seconds", "Waiting time of the oldest promotion that needs an approval"
        )
        self._clusters = gauge("cluster_usable", "1 for a cluster that can be used, otherwise 0", "cluster")
        self._stages = gauge("stages_kept", "Locked stages and stages on hold", "by")
        self._github = counter("github_calls", "Calls of the GitHub API", "method", "status")
        self._remaining = gauge("github_rate_limit_remaining", "Remaining calls", "installation")
        self._cluster = counter("cluster_calls", "Calls of the Kubernetes API", "method", "status", "cluster")
        self._secrets = counter(
            "secret_reads", "Requests to secret managers by outcome", "provider", "outcome"
        )
        self._sweeps = counter("sweeps", "Completed sweeps", "sweep")
        self._swept = counter("sweep_enqueued", "Keys that a sweep enqueued", "sweep")
        self._leaks = counter("leaks", "Leaked resources that were reclaimed", "cause")
        self._orphan_minutes = counter(
            "orphan_minutes", "Lifetime of leaked resources beyond their end", "cause"
        )
        self._failed_destroys = counter(
            "infrastructure_destroy_failures", "Terraform runs that could not destroy an infrastructure"
        )
        self._drifts = gauge("drift", "Stages and demos by the result of their last comparison", "state")
        self._drift_checks = counter("drift_checks", "Comparisons of stages and demos", "state")
        self._resource_checks = counter(
            "infrastructure_drift_checks", "Terraform plans that look for drift", "state"
        )
        self._drift_heals = counter("drift_heals", "Repairs of stages and demos", "outcome")
        self._breaker = counter("sweep_breaker_trips", "Sweeps stopped by the deletion limit", "sweep")

    def delivery(self, event: str, status: int | None, seconds: float) -> None:
        self._delivered(event if event in _EVENTS else "other", _status(status)).inc()
        self._acknowledgement.observe(seconds)

    def queue(self, depths: Mapping[str, int], oldest_seconds: float) -> None:
        for state, depth in depths.items():
            self._queue_depth.labels(state).set(depth)
        self._queue_age.set(oldest_seconds)

    def store_transactions(self, totals: Mapping[str, int]) -> None:
        """Totals since the start of the process."""
        for name, total in totals.items():
            self._transactions.labels(name).inc(total - self._counted_transactions.get(name, 0))
        self._counted_transactions |= totals

    def worked(self, kind: str, outcome: str, seconds: float) -> None:
        self._work.labels(kind, outcome).observe(seconds)

    def phase(self, phase: str, seconds: float) -> None:
        self._phases.labels(phase).observe(seconds)

    def rollout_step(self, strategy: str, weight: int) -> None:
        self._rollout_steps.labels(strategy, str(weight)).inc()

    def rollout_verdict(self, verdict: str) -> None:
        self._rollout_verdicts.labels(verdict).inc()

    def environments(self, counts: Mapping[str, int]) -> None:
        """Replaces the counts of all states."""
        self._environments.clear()
        for state, count in counts.items():
            self._environments.labels(state).set(count)

    def requested(self, hours: Mapping[str, tuple[float, float]]) -> None:
        """Replaces the core hours and gibibyte hours of all environments, by display name."""
        self._requested.hours = hours

    def promotions(self, counts: Mapping[str, int], approval_seconds: float) -> None:
        for state, count in counts.items():
            self._promotions.labels(state).set(count)
        self._approval_age.set(approval_seconds)

    def clusters(self, usable: Mapping[str, bool]) -> None:
        for name, value in usable.items():
            self._clusters.labels(name).set(value)

    def kept_stages(self, counts: Mapping[str, int]) -> None:
        for by, count in counts.items():
            self._stages.labels(by).set(count)

    def github_call(self, method: str, status: int | None) -> None:
        """The status is None for a call without a response."""
        self._github.labels(method, _status(status)).inc()

    def github_rate_limit(self, installation: int, remaining: int) -> None:
        self._remaining.labels(str(installation)).set(remaining)

    def cluster_call(self, method: str, status: int | None, cluster: str) -> None:
        self._cluster.labels(method, _status(status), cluster).inc()

    def leaked(self, cause: str, minutes: float) -> None:
        self._leaks.labels(cause).inc()
        self._orphan_minutes.labels(cause).inc(minutes)

    def destroy_failed(self) -> None:
        self._failed_destroys.inc()

    def swept(self, sweep: str, enqueued: int) -> None:
        self._sweeps.labels(sweep).inc()
        self._swept.labels(sweep).inc(enqueued)

    def breaker_tripped(self, sweep: str) -> None:
        self._breaker.labels(sweep).inc()

    def drifts(self, counts: Mapping[str, int]) -> None:
        """Replaces the counts of all states."""
        self._drifts.clear()
        for state, count in counts.items():
            self._drifts.labels(state).set(count)

    def drift_checked(self, state: DriftState) -> None:
        self._drift_checks.labels(state.value).inc()

    def resources_compared(self, state: DriftState) -> None:
        self._resource_checks.labels(state.value).inc()

    def drift_healed(self, objects: int, *, succeeded: bool) -> None:
        """Counts a repair and the objects that it applied."""
        self._drift_heals.labels("succeeded" if succeeded and objects else "failed").inc()

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def secret_read(self, provider: str, outcome: str) -> None:
        self._secrets.labels(provider, outcome).inc()


def _status(status: int | None) -> str:
    return "none" if status is None else str(status)


def metrics_route(metrics: Metrics, refresh: Callable[[], Awaitable[None]]) -> Route:
    """`GET /metrics`; `refresh` updates the metrics that come from the store before each response."""

    async def show(_: Request) -> Response:
        await refresh()
        # In a thread: the text of thousands of environments takes a while.
        text = await asyncio.to_thread(metrics.text)
        return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return Route("/metrics", show)
