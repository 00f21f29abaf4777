"""A browser opens the address of a sleeping preview."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.visit import PATIENCE_MS, Visit, wait_for_text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


async def test_sleeping_preview_wakes_and_shows_the_application(visit: Visit) -> None:
    page = visit.page
    number = await visit.open_pull_request("spring", "Spring in the shop")
    await visit.sign_in_as("ada")
    await visit.open_page(number)
    await wait_for_text(page, "#timeline", "is ready")
    await visit.comment(number, "/sleep")
    await wait_for_text(page, "#timeline", "is asleep")
    await visit.screenshot("pull-request-asleep")

    address = page.locator("#timeline a", has_text="pr-").first
    url = await address.get_attribute("href")
    assert url is not None
    await page.goto(url)
    await expect(page.locator("h1")).to_have_text("This preview is waking up")
    await expect(page.locator("body")).to_contain_text("Basil", timeout=PATIENCE_MS)
    assert page.url.rstrip("/") == url.rstrip("/"), "the address stays the same"


async def test_unknown_address_has_a_page_that_fits(visit: Visit) -> None:
    await visit.page.goto(f"http://anything.localhost:{visit.world.gateway_port}/")
    await expect(visit.page.locator("h1")).to_have_text("Nothing is at this address")
    await visit.screenshot("unknown-address")
