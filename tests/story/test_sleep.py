"""Previews that sleep: what stops, and what wakes them."""

from __future__ import annotations

import asyncio
import contextlib
import time

import httpx
import pytest

from bot.cluster.client.kinds import HTTP_ROUTE, PERSISTENT_VOLUME_CLAIM, POD, Kind
from bot.embedded.world import DOMAIN
from tests.story.conftest import PATIENCE_SECONDS, Scenario, also_on_node, operated

pytestmark = pytest.mark.long

HTML = {"Accept": "text/html"}
IDLE = b"\npreview: {sleep_after: 8s}\n"


async def names(scenario: Scenario, number: int, kind: Kind) -> set[str]:
    """The objects in the preview's namespace, without the pods of Jobs that ended."""
    listed = await scenario.world.client.list(kind, scenario.namespace(number))
    return {
        f"{item['metadata']['name']} {item['metadata']['uid']}"
        for item in listed.items
        if (item.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    }


async def asleep(scenario: Scenario, number: int, *words: str) -> None:
    """Waits until the preview is asleep, and nothing of it runs or is routed."""
    await scenario.comment_with(number, "is asleep", *words)
    deadline = time.monotonic() + PATIENCE_SECONDS
    for kind in (HTTP_ROUTE, POD):
        while left := await names(scenario, number, kind):
            assert time.monotonic() < deadline, f"still there: {left}"
            await asyncio.sleep(0.1)


async def waking(scenario: Scenario, number: int) -> httpx.Response:
    """Opens the preview's address in a browser until the gateway routes it to the bot."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with contextlib.suppress(httpx.HTTPError):  # the gateway still uses a pod that ended
            answer = await scenario.page(number, headers=HTML)
            if "This preview is waking up" in answer.text:
                return answer
        assert time.monotonic() < deadline, "the address shows no progress"
        await asyncio.sleep(0.2)


async def shown(scenario: Scenario, number: int, words: str) -> None:
    """Waits until the preview's address shows these words to a browser."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while words not in (text := await _text(scenario, number)):
        assert time.monotonic() < deadline, f"it shows {text}"
        await asyncio.sleep(0.2)


async def _text(scenario: Scenario, number: int) -> str:
    try:
        return (await scenario.page(number, headers=HTML)).text
    except httpx.HTTPError as error:  # the gateway still uses a pod that ended
        return str(error)


@pytest.mark.timeout(180)
async def test_idle_preview_sleeps_until_a_browser_opens_it(small: Scenario) -> None:
    files = small.hello()
    files[".greenroom.yml"] += IDLE
    await small.push("main", files)
    async with operated(small.site, GREENROOM_USAGE_INTERVAL="1s"):
        number = await small.open("hello", small.hello("Hello again."))
        await small.wait_until_ready(number)
        await asleep(small, number, "It has had no requests", "Opening its address")
        assert small.runs(small.head(number)) == ["success"], "the commit keeps its conclusion"
        assert [deployment.state for deployment in small.deployments()] == ["inactive"]

        answer = await waking(small, number)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        await shown(small, number, "Hello again.")
        await small.wait_until_ready(number)
        small.assert_reported_once(number)


@also_on_node
async def test_push_wakes_a_sleeping_preview(small: Scenario) -> None:
    number = await small.open("hello", small.hello("One."))
    await small.wait_until_ready(number)
    await small.comment(number, "/sleep")
    await asleep(small, number, "Put to sleep by `ada`")
    await small.push("hello", small.hello("Two."))
    await small.wait_until_ready(number)
    assert (await small.page(number)).text == "Two."


@also_on_node
async def test_preview_that_was_woken_has_its_data(scenario: Scenario) -> None:
    number = await scenario.open("spring", scenario.files())
    await scenario.wait_until_ready(number)
    claims = await names(scenario, number, PERSISTENT_VOLUME_CLAIM)
    assert claims
    await scenario.comment(number, "/sleep")
    await asleep(scenario, number)
    assert await names(scenario, number, PERSISTENT_VOLUME_CLAIM) == claims
    await scenario.comment(number, "/wake")
    await scenario.wait_until_ready(number)
    assert await names(scenario, number, PERSISTENT_VOLUME_CLAIM) == claims
    assert "Basil" in (await scenario.page(number)).text


async def test_review_request_wakes_a_sleeping_preview(small: Scenario) -> None:
    number = await small.open("hello", small.hello())
    await small.wait_until_ready(number)
    await small.comment(number, "/sleep")
    await asleep(small, number)
    await asyncio.to_thread(small.github.pulls.request_review, small.repository, number, "mallory", by="ada")
    await small.wait_until_ready(number)
    assert (await small.page(number)).text == "Hello."


async def test_address_of_a_deleted_preview_has_a_page_and_an_unknown_one_reveals_nothing(
    small: Scenario,
) -> None:
    number = await small.open("hello", small.hello())
    await small.wait_until_ready(number)
    await small.close(number)
    await small.no_namespace()
    await shown(small, number, "This preview was deleted")
    unopened = await small.page(number + 1, headers=HTML)
    async with httpx.AsyncClient(trust_env=False) as client:
        other = await client.get(
            f"http://{small.world.gateway_address}/", headers={"Host": f"anything.{DOMAIN}", **HTML}
        )
    assert (unopened.status_code, unopened.text) == (404, other.text)
    assert "Nothing is at this address" in other.text


async def test_note_names_the_missing_metrics(small: Scenario) -> None:
    files = small.hello()
    files[".greenroom.yml"] += IDLE
    await small.push("main", files)
    async with operated(small.site, GREENROOM_GATEWAY_METRICS=""):
        number = await small.open("hello", small.hello("Hello again."))
        await small.comment_with(number, "is ready", "`preview.sleep_after` has no effect")
