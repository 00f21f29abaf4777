"""The bot in a pod, installed by the documentation, for all tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.embedded.world import NodeCluster, World
from tests.node.installation import URL, Installation, InstalledBot
from tests.story.conftest import Scenario, Site, new_scenario, organize


@pytest.fixture(scope="package")
async def installation(
    node_cluster: NodeCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """A cluster in which nothing of the bot is installed yet."""
    folder = tmp_path_factory.mktemp("installation")
    async with World(folder / "world", node_cluster) as world:
        await asyncio.to_thread(world.github.accounts.create_user, "ada")
        await asyncio.to_thread(world.github.apps.set_webhook, f"{URL}/webhooks")
        await asyncio.to_thread(organize, world, "acme")  # doctor asks for an installation of the App
        installed = Installation(world, node_cluster, folder)
        await installed.remove()
        yield installed
        await installed.remove()


@pytest.fixture(scope="package")
async def doctor(installation: Installation) -> str:
    """What `greenroom doctor` printed at the end of the installation."""
    return await installation.install()


@pytest.fixture(scope="package")
async def site(installation: Installation, doctor: str) -> Site:
    assert doctor
    world = installation.world
    settings = world.settings(URL, installation.folder / "unused.db")
    bot = InstalledBot(installation, settings)
    await bot.answering()
    return Site(world, bot, installation.folder / "unused.db", settings)


@pytest.fixture
async def scenario(site: Site) -> AsyncIterator[Scenario]:
    """A repository with the sample shop."""
    async with new_scenario(site) as scenario:
        await scenario.create(scenario.files())
        yield scenario
