"""Writes the screenshots in docs/images/ for the README: `python -m tests.browser.screenshots`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import FloatRect, Page, expect

from tests.browser.visit import Visit, chromium, visit, wait_for_text

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MAX_BYTES = 200_000
_WIDTH, _MARGIN = 1000, 10


async def take_screenshots() -> None:
    """Opens a pull request, waits until its preview is ready, and photographs its comment and its page."""
    with tempfile.TemporaryDirectory() as folder:
        async with chromium() as browser, visit(browser, Path(folder)) as visitor:
            await visitor.page.set_viewport_size({"width": _WIDTH, "height": 900})
            await visitor.page.emulate_media(color_scheme="light")
            await _pull_request(visitor)
            await _environment(visitor)


async def _pull_request(visitor: Visit) -> None:
    page = visitor.page
    number = await visitor.open_pull_request("spring", "Spring in the shop")
    await visitor.sign_in_as("ada")
    await visitor.open_page(number)
    await wait_for_text(page, "#checks", "greenroom/http-healthz")
    await wait_for_text(page, "#timeline", "is ready")
    await _save(page, "pull-request", until="#checks")


async def _environment(visitor: Visit) -> None:
    page = visitor.page
    await page.locator("#timeline a[href*='/environments/preview/']").first.click()
    await page.click("text=Sign in with GitHub")
    await page.click("text=Continue as ada")
    await expect(page.locator("#phases")).to_contain_text("checks")
    await _save(page, "environment", until="#checks")


async def _save(page: Page, name: str, until: str) -> None:
    """Writes the page as PNG, from its top to the bottom of the element `until`."""
    await page.wait_for_load_state("networkidle")
    box = await page.locator(until).first.bounding_box()
    assert box is not None, f"{name}: {until} is not visible"
    path = IMAGES / f"{name}.png"
    IMAGES.mkdir(exist_ok=True)
    clip = FloatRect(x=0, y=0, width=_WIDTH, height=box["y"] + box["height"] + _MARGIN)
    await page.screenshot(path=path, clip=clip, full_page=True)
    if (size := path.stat().st_size) > MAX_BYTES:
        sys.exit(f"{path} has {size} bytes: more than {MAX_BYTES}")
    print(f"{path.relative_to(IMAGES.parents[1])}: {size} bytes")


if __name__ == "__main__":
    asyncio.run(take_screenshots())
