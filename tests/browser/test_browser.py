"""From the pull request to the seeded shop and to the page that tells how it came about, by clicking."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from bot.embedded.samples import shop_files
from bot.embedded.samples.commits import broken_start
from tests.browser.conftest import PATIENCE_MS, REPOSITORY, Visit, photograph

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


async def be(visit: Visit, login: str) -> None:
    """Chooses who one is on the embedded GitHub."""
    await visit.page.goto(visit.world.github.url)
    await visit.page.select_option("#login", login)
    await visit.page.click("text=Switch")


async def comes_to_say(page: Page, where: str, words: str) -> None:
    await expect(page.locator(where)).to_contain_text(words, timeout=PATIENCE_MS)


async def test_from_the_pull_request_to_the_shop_and_to_its_story(visit: Visit) -> None:
    page = visit.page
    number = await visit.open_pull("spring", "Spring in the shop")
    await be(visit, "ada")
    await page.goto(f"{visit.world.github.url}/{REPOSITORY}/pull/{number}")
    await comes_to_say(page, "#timeline", "is ready")
    await comes_to_say(page, "#checks", "greenroom/http-healthz")
    await visit.picture("pull-request")

    async with page.context.expect_page() as opened:
        await page.click("#deployments >> text=View deployment")
    shop = await opened.value
    await expect(shop.locator("body")).to_contain_text("Basil", timeout=PATIENCE_MS)
    await shop.wait_for_load_state("networkidle")
    await photograph(shop, "shop")
    await shop.close()

    await page.locator("#timeline >> text=Phases and logs").first.click()
    await expect(page).to_have_url(re.compile("/sign-in"))
    await visit.picture("sign-in")
    await page.click("text=Sign in with GitHub")
    await visit.picture("authorize")
    await page.click("text=Continue as ada")
    await expect(page.locator("h1")).to_have_text("Spring in the shop")
    await expect(page.locator("#state")).to_contain_text("is ready.")
    for phase in ("configuration", "artifact", "workloads", "probe"):
        await expect(page.locator("#phases")).to_contain_text(phase)
    await expect(page.locator("#decisions")).to_contain_text("answers at")
    await expect(page.locator("#logs pre").first).not_to_be_empty()
    await visit.picture("environment")

    await page.click("text=Environments")
    await expect(page.locator("#environments")).to_contain_text("Spring in the shop")
    await visit.picture("dashboard")
    await page.click("text=Sign out")
    await expect(page).to_have_url(re.compile("/sign-in"))


async def test_a_promotion_is_followed_on_the_page_of_its_stage(visit: Visit) -> None:
    page = visit.page
    number = await visit.open_pull("spring", "Spring in the shop")
    await be(visit, "ada")
    await page.goto(f"{visit.world.github.url}/{REPOSITORY}/pull/{number}")
    await comes_to_say(page, "#timeline", "is ready")
    for words in ("/promote integration", "/promote security", "/lock staging for 2h load test"):
        await visit.say(number, words)
    await comes_to_say(page, "#timeline", "was verified on security")
    await comes_to_say(page, "#timeline", "was verified on integration")
    await visit.say(number, "/hold integration no more today")
    await visit.say(number, "/status")
    await comes_to_say(page, "#timeline", "of this pull request")
    await visit.picture("pull-request-status")

    repository = visit.world.github.world.repository(REPOSITORY).id
    await page.goto(f"{visit.bot.url}/stages/{repository}")
    await page.click("text=Sign in with GitHub")
    await page.click("text=Continue as ada")
    await expect(page.locator("h1")).to_have_text("Stages")
    await expect(page.locator("#stages")).to_contain_text("ada keeps it until")
    await visit.picture("stages")
    await page.click("#stages >> text=integration")
    await expect(page.locator("#state")).to_contain_text("runs on integration.")
    await expect(page.locator("#state")).to_contain_text("no more today")
    await expect(page.locator("#promotions")).to_contain_text("succeeded")
    await expect(page.locator("#audit")).to_contain_text("requested")
    await visit.picture("stage")
    await page.click("text=Phases and logs")
    await expect(page.locator("#phases")).to_contain_text("workloads")


async def test_a_failure_is_told_in_the_comment_and_on_the_page_which_follows_by_itself(visit: Visit) -> None:
    page = visit.page
    files = broken_start(shop_files(visit.world.registry.host))
    number = await visit.open_pull("autumn", "<b>Autumn</b> & `checkout`", files)
    await be(visit, "ada")
    await page.goto(f"{visit.world.github.url}/{REPOSITORY}/pull/{number}")
    await comes_to_say(page, "#timeline", "failed")
    await visit.picture("pull-request-failed")
    await page.locator("#timeline >> text=Phases and logs").first.click()
    await page.click("text=Sign in with GitHub")
    await page.click("text=Continue as ada")
    await expect(page.locator("h1")).to_have_text("<b>Autumn</b> & `checkout`")
    await expect(page.locator("#state")).to_contain_text("checkout")
    await visit.picture("environment-failed")

    await visit.push("autumn", shop_files(visit.world.registry.host))
    await comes_to_say(page, "#state", "is ready.")


async def test_who_cannot_read_a_repository_sees_nothing_of_it(visit: Visit) -> None:
    page = visit.page
    number = await visit.open_pull("night", "The night market")
    visit.world.github.world.repository(REPOSITORY).private = True
    repository = visit.world.github.world.repository(REPOSITORY).id
    await be(visit, "mallory")
    await page.goto(f"{visit.bot.url}/environments/preview/{repository}/{number}")
    await page.click("text=Sign in with GitHub")
    await page.click("text=Continue as mallory")
    await expect(page.locator("h1")).to_have_text("There is nothing to see here")
    await expect(page.locator("body")).not_to_contain_text("night market")
    await visit.picture("nothing-to-see")
