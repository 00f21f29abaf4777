"""Every page in both themes on a desktop and a phone: it fits, and axe reports no violation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from bot.model.environment import EnvironmentState, Status, StatusMessage
from tests.browser.site import PAGES, PageSite, page_site
from tests.browser.visit import OUTPUT, chromium

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
        context.set_default_timeout(20_000)
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


@pytest.mark.parametrize(
    ("path", "name"),
    [(PAGES["preview"], "Extend"), (PAGES["preview"], "Destroy"), (PAGES["preview"], "Re-run")]
    + [(PAGES["stage-awaiting-approval"], name) for name in ("Reject", "Pause", "Abort")]
    + [(PAGES["stage"], "Lift the hold")],
)
async def test_button_gives_the_command_after_its_confirmation(
    site: PageSite, page: Page, path: str, name: str
) -> None:
    """A real browser sends origin, cookie and token."""
    await page.goto(site.url + path)
    await page.get_by_role("link", name=name, exact=True).click()
    await expect(page.get_by_role("heading", name=f"{name}?")).to_be_visible()
    await page.get_by_role("button", name=name, exact=True).click()
    await expect(page.locator("#state")).to_contain_text("is being processed")


async def test_pages_need_no_script(site: PageSite, page: Page) -> None:
    browser = page.context.browser
    assert browser is not None
    context = await browser.new_context(java_script_enabled=False)
    await context.add_cookies([{"name": "greenroom", "value": site.cookie, "url": site.url}])
    plain = await context.new_page()
    await plain.goto(site.url)
    await plain.get_by_label("Search").fill("#3")
    await plain.get_by_role("button", name="Filter").click()
    await expect(plain.locator("#environments")).to_contain_text("1 environment matches the filter")
    await plain.get_by_role("link", name="A blue shop").click()
    await plain.get_by_role("link", name="Extend", exact=True).click()
    await plain.get_by_role("button", name="Extend").click()
    await expect(plain.locator("#state")).to_contain_text("is being processed")
    await context.close()


async def test_change_appears_and_is_announced(site: PageSite, page: Page) -> None:
    await page.goto(site.url + PAGES["preview"])
    await expect(page.locator("#state")).to_contain_text("aaaaaaa is ready.")
    async with page.expect_response(lambda response: "/environments/changes" in response.url) as stream:
        await page.reload()
    assert (await stream.value).status == 200
    failed = Status(EnvironmentState.FAILED, commit="e" * 40, cause=StatusMessage("The image is missing."))
    await site.fixture.environment(failed)
    await expect(page.locator("#state")).to_contain_text("The image is missing.", timeout=10_000)
    await expect(page.locator("#announcement")).to_contain_text("eeeeeee failed.")


async def test_keyboard_reaches_content_and_buttons(site: PageSite, page: Page) -> None:
    await page.goto(site.url + PAGES["preview"])
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("Skip to the content")
    await page.keyboard.press("Enter")
    names = []
    for _ in range(12):
        await page.keyboard.press("Tab")
        names.append((await page.locator(":focus").inner_text()).strip())
    assert {"Extend", "Re-run", "Sleep", "Destroy"} <= set(names)
