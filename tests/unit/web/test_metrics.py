"""Prometheus metrics."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from bot.model.delivery import Delivery, WebhookEffect
from bot.web.application import create_application
from bot.web.metrics import Metrics, metrics_route
from bot.web.webhooks import WebhookEndpoint
from tests.webhooks import SECRET, signed


async def _scrape(metrics: Metrics, queue: dict[str, int]) -> dict[str, float]:
    async def refresh() -> None:
        metrics.queue(queue, oldest_seconds=1.5)

    transport = httpx.ASGITransport(create_application([metrics_route(metrics, refresh)]))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


async def test_metrics_have_their_labels() -> None:
    metrics = Metrics()
    metrics.delivery("pull_request", 202, 0.004)
    metrics.worked("environment", "settled", 12.0)
    metrics.store_transactions({"Queue.claim": 3})
    metrics.store_transactions({"Queue.claim": 5})
    metrics.phase("workloads", 8.0)
    metrics.environments({"ready": 3, "failed": 1})
    metrics.promotions({"soaking": 1, "rolled back": 2}, 90.0)
    metrics.kept_stages({"lock": 1, "hold": 3})
    metrics.github_call("GET", 304)
    metrics.github_call("POST", None)
    metrics.github_rate_limit(7, 4999)
    metrics.cluster_call("PATCH", 200, "west")
    metrics.swept("orphans", 2)
    metrics.breaker_tripped("expiry")
    samples = await _scrape(metrics, {"waiting": 4, "running": 2})
    expected = {
        'greenroom_deliveries_total{event="pull_request",status="202"}': 1,
        'greenroom_acknowledgement_seconds_bucket{le="0.005"}': 1,
        'greenroom_acknowledgement_seconds_bucket{le="0.0025"}': 0,
        'greenroom_queue_depth{state="waiting"}': 4,
        'greenroom_queue_depth{state="running"}': 2,
        "greenroom_queue_oldest_seconds": 1.5,
        'greenroom_store_transactions_total{name="Queue.claim"}': 5,
        'greenroom_work_seconds_count{kind="environment",outcome="settled"}': 1,
        'greenroom_phase_seconds_sum{phase="workloads"}': 8,
        'greenroom_environments{state="ready"}': 3,
        'greenroom_promotions{state="rolled back"}': 2,
        "greenroom_approval_oldest_seconds": 90,
        'greenroom_stages_kept{by="hold"}': 3,
        'greenroom_github_calls_total{method="GET",status="304"}': 1,
        'greenroom_github_calls_total{method="POST",status="none"}': 1,
        'greenroom_github_rate_limit_remaining{installation="7"}': 4999,
        'greenroom_cluster_calls_total{cluster="west",method="PATCH",status="200"}': 1,
        'greenroom_sweeps_total{sweep="orphans"}': 1,
        'greenroom_sweep_enqueued_total{sweep="orphans"}': 2,
        'greenroom_sweep_breaker_trips_total{sweep="expiry"}': 1,
    }
    assert {name: samples.get(name) for name in expected} == expected
    assert samples["process_resident_memory_bytes"] > 0


async def test_metrics_group_unknown_event_names() -> None:
    metrics = Metrics()
    for number in range(50):
        metrics.delivery(f"made_up_{number}", 401, 0.001)
    samples = await _scrape(metrics, {})
    assert samples['greenroom_deliveries_total{event="other",status="401"}'] == 50
    assert not any("made_up" in name for name in samples)


async def test_metrics_drop_states_without_environments() -> None:
    metrics = Metrics()
    metrics.environments({"ready": 1, "deleting": 1})
    metrics.environments({"ready": 2})
    samples = await _scrape(metrics, {})
    assert samples['greenroom_environments{state="ready"}'] == 2
    assert 'greenroom_environments{state="deleting"}' not in samples


async def test_metrics_of_two_bots_are_separate() -> None:
    first, second = Metrics(), Metrics()
    first.github_call("GET", 200)
    assert not any("github_calls" in name for name in await _scrape(second, {}))


async def test_metrics_count_webhooks_by_status() -> None:
    class Recorder:
        async def record(self, delivery: Delivery, effects: Sequence[WebhookEffect]) -> None: ...

    metrics = Metrics()
    application = create_application([WebhookEndpoint(Recorder(), [SECRET], metrics).route()])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://bot") as client:
        push = signed("push", b"{}")
        await client.post("/webhooks", content=push.body, headers=dict(push.headers))
        await client.post("/webhooks", headers={"X-GitHub-Event": "push"})
        await client.get("/webhooks")
    samples = await _scrape(metrics, {})
    assert samples['greenroom_deliveries_total{event="push",status="202"}'] == 1
    assert samples['greenroom_deliveries_total{event="push",status="401"}'] == 1
    assert samples["greenroom_acknowledgement_seconds_count"] == 2
