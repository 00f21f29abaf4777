"""Many pushes, and pushes during a deployment: the newest head wins."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from bot.cluster.client.kinds import REPLICA_SET
from bot.embedded.kubernetes.faults import Fault
from tests.story.conftest import Scenario, also_on_node, embedded_only, eventually

pytestmark = pytest.mark.long

SETTLED_AT_THE_LATEST = 15
"""Time limit for the pushes, in seconds."""


async def test_fifty_pushes_make_at_most_two_deployments(
    small: Scenario,
) -> None:
    number = await small.open("spring", small.hello("Push 0."))
    await small.wait_until_ready(number)
    started = time.monotonic()
    for count in range(1, 51):
        await small.push("spring", {"sentence.txt": f"Push {count}.".encode()})
        await asyncio.sleep(max(0.0, started + count / 10 - time.monotonic()))
    await small.delivered()
    took = time.monotonic() - started
    await small.wait_until_ready(number)
    assert (await small.page(number)).text == "Push 50."
    # On a busy machine fifty pushes take longer than five seconds.
    begun = len(small.runs()) - 1
    assert begun <= 2 * math.ceil(took / SETTLED_AT_THE_LATEST)
    small.assert_reported_once(number)


@embedded_only
async def test_push_stops_writes_about_the_older_head(small: Scenario) -> None:
    kubernetes = small.world.kubernetes
    assert kubernetes is not None
    name = small.namespace(1)
    held = Fault(f"GET /api/v1/namespaces/{name}$", hang_seconds=3, times=1)
    kubernetes.faults.active.append(held)
    number = await small.open("spring", small.hello("Older."))
    older = small.head(number)
    await eventually(lambda: held not in kubernetes.faults.active or None, lambda: "it was never asked")
    await small.push("spring", {"sentence.txt": b"Newer."})
    await small.delivered()
    await small.wait_until_ready(number)
    assert (await small.page(number)).text == "Newer."
    replica_sets = await small.world.client.list(REPLICA_SET, name)
    assert len(replica_sets.items) == 1, "the older one was never applied"
    assert small.runs(older) == ["cancelled"]
    assert [deployment.sha for deployment in small.deployments()] == [small.head(number)]
    small.assert_reported_once(number)


@also_on_node
async def test_pull_request_closed_before_delivery_leaves_nothing(small: Scenario) -> None:
    small.github.faults.add("delay", times=1, seconds=2.0, event="pull_request")
    number = await small.open("spring", small.hello("Spring."))
    await small.close(number)
    await small.delivered()
    await small.at_rest()
    assert await small.namespaces() == []
    assert small.deployments() == []
    await small.reopen(number)
    await small.wait_until_ready(number)


@embedded_only
async def test_comments_of_pull_requests_opened_at_once_follow_their_previews(small: Scenario) -> None:
    """Other pull requests' progress delays no result, and no sentence returns once it was overtaken."""
    branches = ["spring", "summer", "autumn", "winter"]
    numbers = [await small.open(branch, small.hello(f"It is {branch}.")) for branch in branches]
    seen: dict[int, list[str]] = {number: [] for number in numbers}
    late = dict(zip(numbers, await asyncio.gather(*(_lag(small, *of) for of in seen.items())), strict=True))
    assert max(late.values()) < 4, late
    for sentences in seen.values():
        assert len(sentences) == len(set(sentences)), sentences


async def _lag(small: Scenario, number: int, sentences: list[str]) -> float:
    """Seconds from the first answer to the comment that shows it; collects the comment's first sentences."""
    answered: float | None = None
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if answered is None and (await small.page(number)).status_code == 200:
            answered = time.monotonic()
        for body in small.comments(number):
            headline = body.partition("\n")[0]
            if sentences[-1:] != [headline]:
                sentences.append(headline)
            if "is ready" in headline:
                return time.monotonic() - (answered or time.monotonic())
        await asyncio.sleep(0.05)
    raise AssertionError(f"not ready: {sentences}")
