"""The pages of the bot and of the embedded GitHub, used as a person uses them."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from bot.embedded.samples import broken_start, shop_files
from tests.browser.visit import PATIENCE_MS, REPOSITORY, Visit, screenshot_page, wait_for_text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


async def test_pull_request_links_to_the_shop_and_the_environment_page(visit: Visit) -> None:
    page = visit.page
    number = await visit.open_pull_request("spring", "Spring in the shop")
    await visit.sign_in_as("ada")
    await visit.open_page(number)
    await wait_for_text(page, "#timeline", "is ready")
    await wait_for_text(page, "#checks", "greenroom/http-healthz")
    await visit.screenshot("pull-request")

    async with page.context.expect_page() as opened:
        await page.click("#deployments >> text=View deployment")
    shop = await opened.value
    await expect(shop.locator("body")).to_contain_text("Basil", timeout=PATIENCE_MS)
    await shop.wait_for_load_state("networkidle")
    await screenshot_page(shop, "shop")
    await shop.close()

    await page.locator("#timeline >> text=Phases and logs").first.click()
    await expect(page).to_have_url(re.compile("/sign-in"))
    await visit.screenshot("sign-in")
    await page.click("text=Sign in with GitHub")
    await visit.screenshot("authorize")
    await page.click("text=Continue as ada")
    await expect(page.locator("h1")).to_have_text("Spring in the shop")
    await expect(page.locator("#state")).to_contain_text("is ready.")
    for phase in ("configuration", "artifact", "workloads", "probe"):
        await expect(page.locator("#phases")).to_contain_text(phase)
    await expect(page.locator("#decisions")).to_contain_text("responds at")
    await expect(page.locator("#logs pre").first).not_to_be_empty()
    await visit.screenshot("environment")
    await page.get_by_role("link", name="Extend").click()
    await page.get_by_role("button", name="Extend").click()
    await expect(page.locator("#state")).to_contain_text("now expires on")
    await visit.open_page(number)
    await wait_for_text(page, "#timeline", "ran /extend 24h on a page of Greenroom")
    await page.locator("#timeline >> text=Phases and logs").first.click()

    await page.click("text=Dashboard")
    await expect(page.locator("#environments")).to_contain_text("Spring in the shop")
    await visit.screenshot("dashboard")
    await page.click("text=Sign out")
    await expect(page).to_have_url(re.compile("/sign-in"))


async def test_stage_page_shows_a_promotion(visit: Visit) -> None:
    page = visit.page
    number = await visit.open_pull_request("spring", "Spring in the shop")
    await visit.sign_in_as("ada")
    await visit.open_page(number)
    await wait_for_text(page, "#timeline", "is ready")
    for words in ("/promote integration", "/promote security", "/lock staging for 2h load test"):
        await visit.comment(number, words)
    await wait_for_text(page, "#timeline", "passed on security")
    await wait_for_text(page, "#timeline", "is verified on integration")
    await visit.comment(number, "/hold integration no more today")
    await visit.comment(number, "/status")
    await wait_for_text(page, "#timeline", "This pull request")
    await visit.screenshot("pull-request-status")

    repository = visit.world.github.world.repository(REPOSITORY).id
    await page.goto(f"{visit.bot.url}/stages/{repository}")
    await page.click("text=Sign in with GitHub")
    await page.click("text=Continue as ada")
    await expect(page.locator("h1")).to_have_text("Pipeline")
    await expect(page.locator("#stages")).to_contain_text("by ada until")
    await visit.screenshot("stages")
    await page.click("#stages ol >> text=integration")
    await expect(page.locator("#state")).to_contain_text("runs on integration.")
    await expect(page.locator("#state")).to_contain_text("no more today")
    await expect(page.locator("#promotions")).to_contain_text("succeeded")
    await expect(page.locator("#audit")).to_contain_text("requested")
    await visit.screenshot("stage")
    await page.click("text=Phases and logs")
    await expect(page.locator("#phases")).to_contain_text("workloads")


async def test_environment_page_shows_a_failure_and_refreshes(visit: Visit) -> None:
    page = visit.page
    files = broken_start(shop_files(visit.world.registry.host))
    number = await visit.open_pull_request("autumn", "<b>Autumn</b> & `checkout`", files)
    await visit.sign_in_as("ada")
    await visit.open_page(number)
    await wait_for_text(page, "#timeline", "failed")
    await visit.screenshot("pull-request-failed")
    await page.locator("#timeline >> text=Phases and logs").first.click()
    await page.click("text=Sign in with GitHub")
    await page.click("text=Continue as ada")
    await expect(page.locator("h1")).to_have_text("<b>Autumn</b> & `checkout`")
    await expect(page.locator("#state")).to_contain_text("checkout")
    await visit.screenshot("environment-failed")

    await visit.push("autumn", shop_files(visit.world.registry.host))
    await wait_for_text(page, "#state", "is ready.")


async def test_pages_hide_repositories_that_the_user_cannot_read(visit: Visit) -> None:
    page = visit.page
    number = await visit.open_pull_request("night", "The night market")
    visit.world.github.world.repository(REPOSITORY).private = True
    repository = visit.world.github.world.repository(REPOSITORY).id
    await visit.sign_in_as("mallory")
    await page.goto(f"{visit.bot.url}/environments/preview/{repository}/{number}")
    await page.click("text=Sign in with GitHub")
    await page.click("text=Continue as mallory")
    await expect(page.locator("h1")).to_have_text("Not found")
    await expect(page.locator("body")).not_to_contain_text("night market")
    await visit.screenshot("nothing-to-see")
