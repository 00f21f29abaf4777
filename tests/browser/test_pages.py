"""Every page in both themes on a desktop and a phone: it fits, and axe reports no violation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.site import PAGES, PageSite, page_site
from tests.browser.visit import OUTPUT, PATIENCE_MS, chromium

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

_SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
_FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
_AXE = files("axe_playwright_python").joinpath("axe.min.js")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[PageSite]:
    async with page_site(tmp_path) as site:
        yield site


@pytest.fixture
async def page(site: PageSite) -> AsyncIterator[Page]:
    """A browser in which ada is signed in. Without the content security policy axe can run."""
    async with chromium() as browser:
        context = await browser.new_context(locale="en-GB", bypass_csp=True)
        context.set_default_timeout(PATIENCE_MS)
        await context.add_cookies([{"name": "greenroom", "value": site.cookie, "url": site.url}])
        await context.add_init_script(_AXE.read_text())
        yield await context.new_page()
        await context.close()


async def test_pages_fit_and_are_accessible(site: PageSite, page: Page) -> None:
    OUTPUT.mkdir(exist_ok=True)
    problems: list[str] = []
    for name, path in PAGES.items():
        await page.goto(site.url + path)
        for size, viewport in _SIZES.items():
            await page.set_viewport_size(viewport)  # type: ignore[arg-type]  # a TypedDict of these two
            for theme in ("light", "dark"):
                await page.emulate_media(color_scheme=theme)
                variant = f"page-{name}-{size}-{theme}"
                await page.screenshot(path=OUTPUT / f"{variant}.png", full_page=True)
                if not await page.evaluate(_FITS):
                    problems.append(f"{variant} scrolls horizontally")
                problems += [f"{variant}: {violation}" for violation in await _violations(page)]
    assert problems == []


async def _violations(page: Page) -> list[str]:
    result: dict[str, Any] = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html'][:150]} {node.get('failureSummary', '')[:200]}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]
