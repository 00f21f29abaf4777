"""Debian's Chromium beside a world with a bot. Pictures of what it saw stay in test-output/."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from bot.embedded.bot_process import BotProcess, free_port
from bot.embedded.samples import LOOKS, restyle, shop_files
from bot.embedded.world import World

OUTPUT = Path(__file__).parents[2] / "test-output"
PATIENCE_MS = 120_000
REPOSITORY = "acme/shop"
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_DESKTOP, _PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
_VARIANTS = (("", _DESKTOP, "light"), ("-dark", _DESKTOP, "dark"), ("-phone", _PHONE, "light"))
_FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@dataclass(frozen=True)
class Visit:
    """One person's browser in front of everything."""

    world: World
    bot: BotProcess
    page: Page

    async def open_pull_request(self, look: str, title: str, files: dict[str, bytes] | None = None) -> int:
        """On a branch that is called like the look; `files` instead of a restyled shop."""
        await self.push(look, files or restyle(shop_files(self.world.registry.host), LOOKS[look]))
        opened = self.world.github.pulls.open
        pull = await asyncio.to_thread(opened, REPOSITORY, look, by="ada", title=title)
        return int(pull.number)

    async def push(self, branch: str, files: dict[str, bytes]) -> None:
        push = self.world.github.repositories.push
        await asyncio.to_thread(push, REPOSITORY, branch, files, by="ada")

    async def comment(self, number: int, words: str) -> None:
        create = self.world.github.comments.create
        await asyncio.to_thread(create, REPOSITORY, number, words, by="ada")

    async def screenshot(self, name: str) -> None:
        await screenshot_page(self.page, name)


async def screenshot_page(page: Page, name: str) -> None:
    """By day, at night and on a phone."""
    OUTPUT.mkdir(exist_ok=True)
    for variant, size, scheme in _VARIANTS:
        await page.set_viewport_size(size)  # type: ignore[arg-type]  # a TypedDict of these two
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a Literal of both
        await page.screenshot(path=OUTPUT / f"{name}{variant}.png", full_page=True)
        fits = await page.evaluate(_FITS)
        assert fits, f"{name}{variant} has to be scrolled sideways"
    await page.set_viewport_size(_DESKTOP)  # type: ignore[arg-type]  # the same
    await page.emulate_media(color_scheme="light")


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("Debian's package chromium is not installed: run `make test-browser`")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(_QUIET))
        yield browser
        await browser.close()


@pytest.fixture
async def visit(chromium: Browser, tmp_path: Path) -> AsyncIterator[Visit]:
    async with World(tmp_path / "world") as world:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(_populate, world, f"{url}/webhooks")
        async with BotProcess(port, world.settings(url, tmp_path / "bot.db"), tmp_path / "bot.log") as bot:
            context = await chromium.new_context(locale="en-GB")
            context.set_default_timeout(PATIENCE_MS)
            page = await context.new_page()
            page.on("pageerror", lambda error: pytest.fail(f"a script broke: {error}"))
            yield Visit(world, bot, page)
            await context.close()


def _populate(world: World, webhook: str) -> None:
    github = world.github
    github.accounts.create_user("ada")
    github.accounts.create_user("mallory")
    github.accounts.create_organization("acme", admins=("ada",))
    github.repositories.create(REPOSITORY, shop_files(world.registry.host))
    github.apps.set_webhook(webhook)
    github.apps.install("acme", by="ada")
