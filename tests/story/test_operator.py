"""What the operator of the bot sees of it: numbers and log."""

import asyncio
import json
from typing import Any

import httpx

from tests.story.conftest import Story


async def test_after_a_preview_the_numbers_tell_of_all_of_its_parts(story: Story) -> None:
    number = await story.open("spring", story.files())
    await story.comment_says(number, "is ready")
    numbers = await _settled(story)
    phases = ("configuration", "artifact", "render", "namespace", "data", "workloads", "route", "probe")
    for phase in phases:
        assert numbers[f'greenroom_phase_seconds_count{{phase="{phase}"}}'] == 1
    assert numbers['greenroom_deliveries_total{event="pull_request",status="202"}'] >= 1
    assert numbers['greenroom_environments{state="ready"}'] == 1
    assert numbers['greenroom_github_calls_total{method="POST",status="201"}'] >= 1
    assert numbers['greenroom_cluster_calls_total{method="PATCH",status="201"}'] >= 1
    [remaining] = [
        numbers[name] for name in numbers if name.startswith("greenroom_github_rate_limit_remaining")
    ]
    assert 0 < remaining < 5000


async def test_the_log_says_which_delivery_and_which_environment(story: Story) -> None:
    story.github.faults.add("error", times=1, method="GET", path="/pulls/1$")
    number = await story.open("spring", story.files())
    await story.comment_says(number, "is ready")
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(f"{story.bot.url}/webhooks", headers={"X-GitHub-Delivery": "a-stranger"})
    lines = {line["event"]: line for line in _log(story)}
    repository = story.github.world.repository(story.repository)
    tried = lines["will be tried again"]
    assert tried["environment"] == f"preview/{repository.id}/{number}"
    assert "502" in tried["reason"]
    assert lines["a webhook was refused"]["delivery"] == "a-stranger"


async def _settled(story: Story) -> dict[str, float]:
    """The numbers once the bot has come to rest."""
    while True:
        numbers = await _numbers(story)
        if numbers.get('greenroom_work_seconds_count{kind="environment",outcome="settled"}'):
            return numbers
        await asyncio.sleep(0.1)


async def _numbers(story: Story) -> dict[str, float]:
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{story.bot.url}/metrics")).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def _log(story: Story) -> list[dict[str, Any]]:
    return [json.loads(line) for line in story.bot.log.read_text().splitlines()]
