"""Every page in both themes on a desktop and a phone: it fits, and axe reports no violation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from bot.commands.outcome import Outcome, Result
from bot.commands.table import Verb
from bot.environments.views import Step, StepState
from bot.github.resources.registration import RegisteredApp
from bot.model.environment import EnvironmentKey, EnvironmentState, Phase, Status, StatusMessage
from bot.setup.browser import Registration
from bot.web.pages.actions.buttons import BUTTONS, VERBS_BY_SLUG, slug
from bot.web.waker_page import WakerPage
from tests.browser.site import PAGES, PREVIEW, PageSite, page_site
from tests.browser.visit import OUTPUT, PATIENCE_MS, chromium
from tests.unit.web.pages.test_environments import ready

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

_SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
_FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
VARIANTS = [(size, theme) for size in _SIZES for theme in ("light", "dark")]
ADDRESSES = ("unknown", "deleted", "failed", "asleep", "starting")
WITH_BUTTONS = (
    *("preview", "preview-asleep", "preview-expired"),
    *("stage", "stage-awaiting-approval", "stage-paused"),
)
_AXE = files("axe_playwright_python").joinpath("axe.min.js")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[PageSite]:
    async with page_site(tmp_path) as site:
        yield site


@pytest.fixture
async def page(site: PageSite) -> AsyncIterator[Page]:
    """A browser in which ada is signed in. Without the content security policy axe can run."""
    expect.set_options(timeout=PATIENCE_MS)
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
        problems += await _problems(page, name)
    assert problems == []


async def test_pages_without_sign_in_fit_and_are_accessible(site: PageSite, page: Page) -> None:
    """Sign-in, the pages at the addresses of previews, and those of `greenroom setup`."""
    OUTPUT.mkdir(exist_ok=True)
    await page.context.clear_cookies()
    await page.goto(f"{site.url}/sign-in")
    problems = await _problems(page, "sign-in")
    key, waker = EnvironmentKey.preview(7, 3), WakerPage(site.url)
    steps = (Step(Phase.NAMESPACE, StepState.DONE, 1.0), Step(Phase.WORKLOADS, StepState.RUNNING))
    contents = {f"address-{name}": waker.render(name, key, steps) for name in ADDRESSES}
    registration = Registration(0, lambda state: "https://github.example.com", _manifest, _exchange)
    with registration:
        address = urlsplit(registration.url)
        for name, path in (("start", address.path), ("lost", "/lost")):
            contents[f"setup-{name}"] = registration.respond(address.netloc, path)[1]
    for name, html in contents.items():
        # Content that was set has no address that could be loaded again.
        await page.set_content(re.sub(r'<meta http-equiv="refresh"[^>]*>', "", html))
        problems += await _problems(page, name)
    assert problems == []


async def _problems(page: Page, name: str) -> list[str]:
    """Takes a screenshot of each variant; returns sideways scrolling and violations of axe's rules."""
    problems: list[str] = []
    for size, theme in VARIANTS:
        await _show(page, size, theme)
        variant = f"page-{name}-{size}-{theme}"
        await page.screenshot(path=OUTPUT / f"{variant}.png", full_page=True)
        if not await page.evaluate(_FITS):
            problems.append(f"{variant} scrolls horizontally")
        problems += [f"{variant}: {violation}" for violation in await _violations(page)]
    return problems


async def _show(page: Page, size: str, theme: str) -> None:
    await page.set_viewport_size(_SIZES[size])  # type: ignore[arg-type]  # a TypedDict of these two
    await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # a Literal of both


async def _violations(page: Page) -> list[str]:
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(_AXE.read_text())  # content that was set has no start-up script
    result: dict[str, Any] = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html'][:150]} {node.get('failureSummary', '')[:200]}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


def _manifest(url: str) -> Mapping[str, Any]:
    hook = {"url": "https://greenroom.example.com/webhooks"}
    return {"name": "greenroom", "hook_attributes": hook, "default_permissions": {"pull_requests": "write"}}


def _exchange(code: str) -> RegisteredApp:
    raise AssertionError("no browser returns from GitHub")


@pytest.mark.parametrize(("size", "theme"), VARIANTS)
async def test_every_button_gives_its_command_after_its_confirmation(
    site: PageSite, page: Page, size: str, theme: str
) -> None:
    """A real browser sends origin, cookie and token."""
    OUTPUT.mkdir(exist_ok=True)
    await _show(page, size, theme)
    clicked: set[Verb] = set()
    for path in WITH_BUTTONS:
        await page.goto(site.url + PAGES[path])
        links = await page.locator(".buttons a").evaluate_all("links => links.map(link => link.href)")
        for link in links:
            verb = VERBS_BY_SLUG[urlsplit(link).path.split("/")[2]]
            if verb not in clicked:
                await page.goto(site.url + PAGES[path])
                await page.locator(f'.buttons a[href="{link.removeprefix(site.url)}"]').click()
                await _confirm(page, BUTTONS[verb].label, f"button-{slug(verb)}-{size}-{theme}")
                clicked.add(verb)
    assert clicked == BUTTONS.keys()


async def _confirm(page: Page, name: str, screenshot: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_contain_text(f"{name}")
    await page.screenshot(path=OUTPUT / f"{screenshot}.png", full_page=True)
    await page.get_by_role("main").get_by_role("button").click()
    await expect(page.locator("#state")).to_contain_text("is being processed")
    await page.screenshot(path=OUTPUT / f"{screenshot}-given.png", full_page=True)
    assert await page.evaluate(_FITS), screenshot


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
    await expect(page.locator("#state")).to_contain_text("The image is missing.", timeout=30_000)
    await expect(page.locator("#announcement")).to_contain_text("eeeeeee failed.")


async def test_refused_command_shows_its_result_although_nothing_changes(site: PageSite, page: Page) -> None:
    await page.goto(f"{site.url}/actions/wake/{PREVIEW}")
    await page.get_by_role("main").get_by_role("button").click()
    await expect(page.locator("#state")).to_contain_text("is being processed")
    store = site.fixture.store
    [claim] = [claim for claim in await store.queue.claim("test", 50, 60) if claim.key.kind == "command"]
    stored = await store.commands.get(int(claim.key.subject))
    assert stored is not None
    outcome = Outcome(Result.ALREADY, Verb.WAKE)
    await store.commands.decide(claim, stored[0], outcome, None, "ada", lambda _: "")
    await expect(page.locator("#state")).to_contain_text("is not asleep", timeout=15_000)


async def test_reader_of_a_log_keeps_the_place_when_it_grows(site: PageSite, page: Page) -> None:
    await page.goto(site.url + PAGES["preview"])
    log = page.locator("#logs pre").first
    await log.focus()
    await log.evaluate("log => { log.scrollTop = 120; }")
    [tail, *others] = site.fixture.diagnostics.result.logs
    logs = (replace(tail, text=f"{tail.text}a new line\n"), *others)
    site.fixture.diagnostics.result = replace(site.fixture.diagnostics.result, logs=logs)
    await site.fixture.environment(ready(site.fixture.clock), ("ready", "again"))
    await expect(log).to_contain_text("a new line")
    assert await log.evaluate("log => log.scrollTop") == 120
    await expect(log).to_be_focused()


async def test_pages_in_background_tabs_leave_connections_to_the_one_in_front(
    site: PageSite, page: Page
) -> None:
    """A browser has six connections to a host with HTTP/1.1, and a stream keeps one."""
    tabs = [page, *[await page.context.new_page() for _ in range(8)]]
    for tab in tabs:
        await tab.goto(site.url + PAGES["preview"], timeout=20_000)
        await expect(tab.locator("#state")).to_contain_text("aaaaaaa is ready.")
        await tab.wait_for_timeout(500)  # the stream opens
        await _set_hidden(tab, True)
    failed = Status(EnvironmentState.FAILED, commit="e" * 40, cause=StatusMessage("The image is missing."))
    await site.fixture.environment(failed)
    await _set_hidden(page, False)
    await expect(page.locator("#state")).to_contain_text("The image is missing.", timeout=10_000)


async def _set_hidden(tab: Page, hidden: bool) -> None:
    """Hides the page, as a user does who changes the tab; in automation all tabs are visible."""
    await tab.evaluate(
        """hidden => {
          Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


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
