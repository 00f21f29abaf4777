"""Metrics and logs."""

import asyncio
import json
from typing import Any

import httpx

from tests.story.conftest import Scenario, embedded_only

pytestmark = embedded_only


async def test_metrics_cover_every_part_of_a_preview(small: Scenario) -> None:
    number = await small.open("spring", small.hello())
    await small.comment_with(number, "is ready")
    numbers = await _settled(small)
    phases = ("configuration", "artifact", "render", "namespace", "data", "workloads", "route", "probe")
    for phase in phases:
        assert numbers[f'greenroom_phase_seconds_count{{phase="{phase}"}}'] >= 1
    assert numbers['greenroom_deliveries_total{event="pull_request",status="202"}'] >= 1
    assert numbers['greenroom_environments{state="ready"}'] >= 1
    assert numbers['greenroom_github_calls_total{method="POST",status="201"}'] >= 1
    assert numbers['greenroom_cluster_calls_total{cluster="default",method="PATCH",status="201"}'] >= 1
    remaining = [
        numbers[name] for name in numbers if name.startswith("greenroom_github_rate_limit_remaining")
    ]
    assert all(0 < number < 5000 for number in remaining)


async def test_log_lines_name_delivery_and_environment(small: Scenario) -> None:
    small.github.faults.add("error", times=1, method="GET", path=f"{small.repository}/pulls/1$")
    number = await small.open("spring", small.hello())
    await small.comment_with(number, "is ready")
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(f"{small.bot.url}/webhooks", headers={"X-GitHub-Delivery": "a-stranger"})
    repository = small.github.world.repository(small.repository)
    environment = f"preview/{repository.id}/{number}"
    lines = _log(small)
    tried = [line for line in lines if line["event"] == "work failed, will be retried"]
    assert any(line.get("environment") == environment and "502" in line["reason"] for line in tried)
    refused = [line["delivery"] for line in lines if line["event"] == "webhook rejected"]
    assert refused == ["a-stranger"]


async def _settled(small: Scenario) -> dict[str, float]:
    """The metrics once the bot is idle."""
    while True:
        numbers = await _numbers(small)
        if numbers.get('greenroom_work_seconds_count{kind="environment",outcome="settled"}'):
            return numbers
        await asyncio.sleep(0.1)


async def _numbers(small: Scenario) -> dict[str, float]:
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{small.bot.url}/metrics")).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def _log(small: Scenario) -> list[dict[str, Any]]:
    return [json.loads(line) for line in small.bot.log.read_text().splitlines()]
