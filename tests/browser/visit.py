"""Debian's Chromium in front of a GitHub, a registry, a cluster and a bot."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

from bot.embedded.bot_process import BotProcess, free_port
from bot.embedded.samples import LOOKS, restyle, shop_files
from bot.embedded.world import World

OUTPUT = Path(__file__).parents[2] / "test-output"
PATIENCE_MS = 120_000
REPOSITORY = "acme/shop"
_ARGUMENTS = (
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


class BrowserError(Exception):
    """Chromium is missing, or a script on a page failed."""


@dataclass(frozen=True)
class Visit:
    """A user's browser, and everything behind it."""

    world: World
    bot: BotProcess
    page: Page

    async def open_pull_request(self, look: str, title: str, files: dict[str, bytes] | None = None) -> int:
        """Opens a pull request from the branch `look` with the shop in that look, or with `files`."""
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

    async def sign_in_as(self, login: str) -> None:
        """Switches the user on the embedded GitHub."""
        await self.page.goto(self.world.github.url)
        await self.page.select_option("#login", login)
        await self.page.click("text=Switch")

    async def open_page(self, number: int) -> None:
        """Opens the pull request's page on GitHub."""
        await self.page.goto(f"{self.world.github.url}/{REPOSITORY}/pull/{number}")

    async def screenshot(self, name: str) -> None:
        await screenshot_page(self.page, name)


async def wait_for_text(page: Page, where: str, words: str) -> None:
    await expect(page.locator(where)).to_contain_text(words, timeout=PATIENCE_MS)


async def screenshot_page(page: Page, name: str) -> None:
    """Writes a light, a dark and a phone-sized screenshot to test-output/, and checks that the page fits."""
    OUTPUT.mkdir(exist_ok=True)
    for variant, size, scheme in _VARIANTS:
        await page.set_viewport_size(size)  # type: ignore[arg-type]  # a TypedDict of these two
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a Literal of both
        await page.screenshot(path=OUTPUT / f"{name}{variant}.png", full_page=True)
        fits = await page.evaluate(_FITS)
        assert fits, f"{name}{variant} scrolls horizontally"
    await page.set_viewport_size(_DESKTOP)  # type: ignore[arg-type]  # the same
    await page.emulate_media(color_scheme="light")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        raise BrowserError("Debian's package chromium is not installed: run `make test-browser`")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        yield browser
        await browser.close()


@asynccontextmanager
async def visit(browser: Browser, folder: Path) -> AsyncIterator[Visit]:
    """Starts everything in `folder` and opens a page. Raises `BrowserError` if a script on a page failed."""
    errors: list[str] = []
    async with World(folder / "world") as world:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(_populate, world, f"{url}/webhooks")
        async with BotProcess(port, world.settings(url, folder / "bot.db"), folder / "bot.log") as bot:
            context = await browser.new_context(locale="en-GB")
            context.set_default_timeout(PATIENCE_MS)
            page = await context.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            yield Visit(world, bot, page)
            await context.close()
    if errors:
        raise BrowserError(f"a script failed: {errors}")


def _populate(world: World, webhook: str) -> None:
    github = world.github
    github.accounts.create_user("ada")
    github.accounts.create_user("mallory")
    github.accounts.create_organization("acme", admins=("ada",))
    github.repositories.create(REPOSITORY, shop_files(world.registry.host))
    github.apps.set_webhook(webhook)
    github.apps.install("acme", by="ada")
