"""The shipped route sends requests for a sleeping preview to the bot, which wakes it."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.node.installation import Installation
from tests.story.conftest import Scenario

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

_HTML = {"Accept": "text/html"}


async def test_browser_wakes_a_sleeping_preview(installation: Installation, scenario: Scenario) -> None:
    number = await scenario.open("spring", scenario.files("spring"))
    await scenario.wait_until_ready(number)
    await scenario.comment(number, "/sleep")
    await scenario.comment_with(number, "is asleep", "Opening its address")
    running = f"pods --field-selector=status.phase=Running --namespace {scenario.namespace(number)}"
    await asyncio.to_thread(installation.kubectl, f"wait --for=delete {running} --timeout=60s")
    seen = set()
    for _ in range(600):
        answer = await _page(scenario, number)
        seen.add(answer.status_code)
        if answer.status_code == 200:
            break
        if answer.status_code == 503 and "Retry-After" in answer.headers:
            assert "This preview" in answer.text
        await asyncio.sleep(0.2)
    assert {200, 503} <= seen
    assert "Basil" in answer.text
    await scenario.wait_until_ready(number)


async def _page(scenario: Scenario, number: int) -> httpx.Response:
    try:
        return await scenario.page(number, headers=_HTML)
    except httpx.TimeoutException:  # the gateway still uses a pod that ended
        return httpx.Response(504)
