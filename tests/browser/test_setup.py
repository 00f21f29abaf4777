"""`greenroom setup` in Chromium: from no App at all to a ready preview."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from itertools import chain
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from bot.embedded.bot_process import BotProcess, free_port
from bot.embedded.installation import install
from bot.embedded.samples import LOOKS, restyle, shop_files
from bot.embedded.world import GATEWAY, World
from tests.browser.visit import PATIENCE_MS, REPOSITORY, chromium, screenshot_page, wait_for_text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


async def test_setup_leads_from_nothing_to_a_ready_preview(tmp_path: Path) -> None:
    async with World(tmp_path / "world") as world, chromium() as browser:
        github = world.github
        await asyncio.to_thread(_populate, world)
        port, env_file = free_port(), tmp_path / "bot.env"
        url = f"http://127.0.0.1:{port}"
        page = await (await browser.new_context(locale="en-GB")).new_page()
        page.set_default_timeout(PATIENCE_MS)

        process = await _setup(world, url, env_file)
        assert process.stderr
        line = ""
        while "Open this page" not in line:
            line = (await process.stderr.readline()).decode()
            assert line, "the command ended early"
        await page.goto(line.split()[-1])
        await screenshot_page(page, "setup")
        await page.click("text=Continue to GitHub")
        await expect(page.locator("#permissions")).to_contain_text("pull_requests: write")
        await screenshot_page(page, "setup-github")
        await page.click("text=Create as ada")
        await expect(page.locator("h1")).to_have_text("greenroom-acme is registered")
        await screenshot_page(page, "setup-registered")
        await page.click("text=Install it")
        await page.click("text=Install on acme as ada")
        await expect(page.locator("h1")).to_have_text("Repositories")
        out, _ = await process.communicate()
        assert process.returncode == 0
        assert re.search(r"^ok\s+GitHub App\s+signed in as greenroom-acme", out.decode(), re.MULTILINE), out

        own = tmp_path / "bot-kubeconfig"
        app_id = github.credentials.app_id
        kubeconfig = await install(world.client, app_id, world.kubeconfig, own, world.kubernetes)
        settings = {**world.settings(url, tmp_path / "bot.db"), **_read(env_file)}
        settings["KUBECONFIG"] = str(kubeconfig)
        async with BotProcess(port, settings, tmp_path / "bot.log"):
            await asyncio.to_thread(_open_pull_request, world)
            await page.goto(f"{github.url}/{REPOSITORY}/pull/1")
            await wait_for_text(page, "#timeline", "is ready")
            await _is_posted_by_the_app(page)


async def _setup(world: World, url: str, env_file: Path) -> asyncio.subprocess.Process:
    options = {
        "--github-url": world.github.url,
        "--organization": "acme",
        "--public-url": url,
        "--gateway": GATEWAY,
        "--base-domain": world.settings(url, env_file)["GREENROOM_BASE_DOMAIN"],
        "--env-file": str(env_file),
    }
    command = [sys.executable, "-m", "bot.cli.main", "setup", "--no-browser", *chain(*options.items())]
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "KUBECONFIG": str(world.kubeconfig), "HOME": str(env_file.parent)},
    )


def _populate(world: World) -> None:
    world.github.accounts.create_user("ada")
    world.github.accounts.create_organization("acme", admins=("ada",))
    world.github.repositories.create(REPOSITORY, shop_files(world.registry.host))


def _open_pull_request(world: World) -> None:
    files = restyle(shop_files(world.registry.host), LOOKS["spring"])
    world.github.repositories.push(REPOSITORY, "spring", files, by="ada")
    world.github.pulls.open(REPOSITORY, "spring", by="ada", title="Spring in the shop")


async def _is_posted_by_the_app(page: Page) -> None:
    await expect(page.locator("#timeline")).to_contain_text("greenroom-acme")


def _read(env_file: Path) -> dict[str, str]:
    lines = env_file.read_text().splitlines()
    return {name: shlex.split(value)[0] for name, _, value in (line.partition("=") for line in lines)}
