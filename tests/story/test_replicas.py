"""The store moves from SQLite to PostgreSQL, where two replicas of the bot share it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from bot.embedded.bot_process import BotProcess, free_port
from tests.postgresql import database, postgresql
from tests.story.conftest import Scenario, Site, node_only

pytestmark = node_only


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql() as url:
        yield url


@contextlib.asynccontextmanager
async def moved(site: Site, server: str) -> AsyncIterator[Mapping[str, str]]:
    """Stops the bot, and copies its store to PostgreSQL. Yields the settings of a replica there."""
    await site.bot.stop()
    try:
        with database(server) as url:
            settings = {**site.settings, "GREENROOM_DATABASE_URL": url}
            copy = [sys.executable, "-m", "bot.cli.main", "store", "copy", f"sqlite:///{site.database}"]
            await asyncio.to_thread(subprocess.run, copy, check=True, env=settings)
            yield settings
    finally:
        await site.bot.start()


async def test_preview_continues_after_the_move_to_postgresql(small: Scenario, server: str) -> None:
    number = await small.open("spring", small.hello("One."))
    await small.wait_until_ready(number)
    site = small.site
    async with moved(site, server) as settings, BotProcess(site.bot.port, settings, site.bot.log):
        await small.push("spring", small.hello("Two."))
        await small.wait_until_ready(number)
        assert (await small.page(number)).text == "Two."
        small.assert_reported_once(number)


async def test_replica_finishes_the_rollout_of_a_killed_one(small: Scenario, server: str) -> None:
    number = await small.open("spring", small.hello("One."))
    await small.wait_until_ready(number)
    site = small.site
    async with (
        moved(site, server) as settings,
        BotProcess(site.bot.port, settings, site.bot.log) as first,
        BotProcess(free_port(), {**settings, "GREENROOM_WAKER_PORT": ""}, site.bot.log),
    ):
        await small.push("spring", small.hello("Two."))
        await small.delivered()
        await first.kill()
        await small.wait_until_ready(number)
        assert (await small.page(number)).text == "Two."
        small.assert_reported_once(number)
