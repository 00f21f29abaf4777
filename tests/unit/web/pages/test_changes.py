"""Event streams of open pages: who gets them, what they follow, and how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from bot.model.environment import EnvironmentKey, EnvironmentState, Status
from bot.promotions import stage_actions
from bot.web.pages import changes
from bot.web.pages.changes import ChangeFeed
from tests.unit.environments.test_desired_state import PULL
from tests.unit.web.pages.conftest import ADA, EVE, SHOP, WebFixture
from tests.unit.web.pages.test_environments import ready

KEY = f"preview/{SHOP.id}/{PULL.number}"


async def next_event(stream: AsyncIterator[bytes]) -> bytes:
    return await asyncio.wait_for(anext(stream), 5)


async def is_silent(stream: AsyncIterator[bytes]) -> bool:
    try:
        await asyncio.wait_for(anext(stream), 0.3)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("topic", [KEY, str(SHOP.id)])
async def test_saved_environment_is_an_event_for_its_pages(web: WebFixture, topic: str) -> None:
    await web.environment(Status(EnvironmentState.PENDING))
    async with aclosing(web.feed.stream([topic])) as stream, aclosing(web.feed.stream(["8"])) as other:
        assert await next_event(stream) == b"retry: 2000\n\n"
        assert await next_event(other) == b"retry: 2000\n\n"
        for opened in (stream, other):
            assert await next_event(opened) == b"data: changed\n\n", "changes since the page was made"
        web.clock.advance(10)
        await web.environment(ready(web.clock))
        assert await next_event(stream) == b"data: changed\n\n"
        assert await is_silent(other)


async def test_action_on_a_stage_is_an_event_for_its_repository(web: WebFixture) -> None:
    async with aclosing(web.feed.stream([str(SHOP.id)])) as stream:
        assert [await next_event(stream) for _ in range(2)][1] == b"data: changed\n\n"
        key, now = EnvironmentKey.stage(SHOP.id, "production"), web.clock()
        await web.store.promotions.change(
            key, SHOP, lambda aggregate: stage_actions.hold(aggregate, "bea", "incident", now)
        )
        assert await next_event(stream) == b"data: changed\n\n"


async def test_reading_ends_with_the_last_stream(web: WebFixture) -> None:
    async with aclosing(web.feed.stream(["7"])) as stream:
        await next_event(stream)
        before = sum(web.store.transactions.values())
        await asyncio.sleep(0.3)
        assert sum(web.store.transactions.values()) > before
    await asyncio.sleep(0.05)
    reads = sum(web.store.transactions.values())
    await asyncio.sleep(0.1)
    assert sum(web.store.transactions.values()) == reads


async def test_streams_are_limited_and_need_a_session(
    web: WebFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with web.browser() as stranger:
        assert (await stranger.get("/environments/changes")).status_code == 401
    monkeypatch.setattr(changes, "MAX_STREAMS", 0)
    assert (await (await web.signed_in(ADA)).get("/environments/changes")).status_code == 503


async def test_unreadable_topics_are_silent(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of a repository that the user cannot read has no topics, and ends as any other one."""
    await web.environment(ready(web.clock))
    web.github.readers = {SHOP.id: {"ada"}}
    seen: list[list[str]] = []
    monkeypatch.setattr(ChangeFeed, "stream", lambda self, topics: _recorded(seen, sorted(topics)))
    for person in (ADA, EVE):
        browser = await web.signed_in(person)
        for topic in ("", str(SHOP.id), KEY, "preview/x/y/z", "9999"):
            assert (await browser.get("/environments/changes", params={"of": topic})).status_code == 200
    assert seen == [["7"], ["7"], [KEY], [], [], [], [], [], [], []]


async def _recorded(seen: list[list[str]], topics: list[str]) -> AsyncIterator[bytes]:
    seen.append(topics)
    yield b""
