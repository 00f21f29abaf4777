"""A world with a bot for each story: GitHub, registry and cluster on loopback, the bot as a process."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from bot.embedded.bot_process import BotProcess
from bot.embedded.client.resources import NAMESPACES
from bot.embedded.samples import LOOKS, restyle, shop_files
from bot.embedded.world import World

PATIENCE_SECONDS = 45

T = TypeVar("T")


class Story:
    """What people do, and what they see."""

    repository = "acme/shop"

    def __init__(self, world: World, bot: BotProcess) -> None:
        self.world = world
        self.github = world.github
        self.bot = bot

    def files(self, look: str = "spring") -> dict[str, bytes]:
        return restyle(shop_files(self.world.registry.host), LOOKS[look])

    async def push(self, branch: str, files: dict[str, bytes]) -> str:
        return await asyncio.to_thread(
            self.github.repositories.push, self.repository, branch, files, by="ada"
        )

    async def open(self, branch: str, files: dict[str, bytes]) -> int:
        await self.push(branch, files)
        pull = await asyncio.to_thread(
            self.github.pulls.open, self.repository, branch, by="ada", title=f"The {branch} shop"
        )
        return int(pull.number)

    async def close(self, number: int) -> None:
        await asyncio.to_thread(self.github.pulls.close, self.repository, number, by="ada")

    async def reopen(self, number: int) -> None:
        await asyncio.to_thread(self.github.pulls.reopen, self.repository, number, by="ada")

    def comments(self, number: int) -> list[str]:
        return [comment.body for comment in self.github.comments.on(self.repository, number)]

    async def comment_says(self, number: int, *words: str) -> str:
        """The bot's comment, once it has all of these words."""

        def found() -> str | None:
            return next((body for body in self.comments(number) if all(w in body for w in words)), None)

        return await eventually(found, lambda: f"no comment with {words} in {self.comments(number)}")

    async def page(self, number: int) -> httpx.Response:
        """The preview's page, through the gateway."""
        repository = self.github.world.repository(self.repository)
        label = f"pr-{number}-shop-{_base36(repository.id)}"
        async with httpx.AsyncClient(trust_env=False) as client:
            host = f"{label}.localhost:{self.world.gateway.port}"
            return await client.get(f"http://127.0.0.1:{self.world.gateway.port}/", headers={"Host": host})

    async def namespaces(self) -> list[str]:
        listed = await self.world.client.list(NAMESPACES, labels="app.kubernetes.io/managed-by=greenroom")
        return [item["metadata"]["name"] for item in listed.items]

    async def no_namespace(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await self.namespaces():
            assert time.monotonic() < deadline, f"still there: {await self.namespaces()}"
            await asyncio.sleep(0.1)


async def eventually(found: Callable[[], T | None], otherwise: Callable[[], str]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (value := found()) is None:
        assert time.monotonic() < deadline, otherwise()
        await asyncio.sleep(0.05)
    return value


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return _base36(number // 36) + digits[number % 36] if number >= 36 else digits[number]


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with World(tmp_path / "world") as world:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        await asyncio.to_thread(_populate, world, f"http://127.0.0.1:{port}/webhooks")
        settings = world.settings(f"http://127.0.0.1:{port}", tmp_path / "bot.db")
        async with BotProcess(port, settings, tmp_path / "bot.log") as bot:
            yield Story(world, bot)


def _populate(world: World, webhook: str) -> None:
    github = world.github
    github.accounts.create_user("ada")
    github.accounts.create_user("mallory")
    github.accounts.create_organization("acme", admins=("ada",))
    github.repositories.create(Story.repository, shop_files(world.registry.host))
    github.apps.set_webhook(webhook)
    github.apps.install("acme", by="ada")
