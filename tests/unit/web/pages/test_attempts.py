"""Pages of attempts: what they show after newer ones, and after the environment was deleted."""

from __future__ import annotations

import re

import pytest

from bot.model.diagnostics import LogTail, NamespaceDiagnostics
from bot.model.environment import EnvironmentState, Phase, PhaseRecord, Status, StatusMessage
from tests.stores import ManualClock
from tests.unit.web.pages.conftest import ADA, EVE, SHOP, WebFixture
from tests.unit.web.pages.test_environments import HOSTILE, PAGE, ready, words

_LINK = re.compile(rf'href="({PAGE}/attempts/[0-9]+)"')


@pytest.fixture
async def shop(web: WebFixture, clock: ManualClock) -> WebFixture:
    """A failed attempt with logs, then one that replaced a pending one, then the deletion."""
    web.github.readers = {SHOP.id: {"ada"}}
    failed = Status(
        EnvironmentState.FAILED,
        commit="b" * 40,
        phases={Phase.CONFIGURATION: PhaseRecord(clock(), clock(), None)},
        cause=StatusMessage(f"It ends: {HOSTILE}"),
    )
    kept = NamespaceDiagnostics((), (LogTail("shop-1", "web", f"KeyError {HOSTILE}"),))
    await web.environment(failed, ("failed", "It ends."), failure=kept)
    clock.advance(60)
    pending = Status(
        EnvironmentState.PENDING, commit="c" * 40, phases={Phase.CONFIGURATION: PhaseRecord(clock())}
    )
    await web.environment(pending, ("updating", "Deploying ccccccc."))
    clock.advance(60)
    await web.environment(ready(clock))
    clock.advance(60)
    await web.environment(Status(EnvironmentState.GONE))
    return web


async def test_attempts_are_listed_with_their_outcome(shop: WebFixture) -> None:
    text = words(await (await shop.signed_in(ADA)).get(PAGE))
    order = [text.index(word) for word in ("Attempts newest first", " ready ", "superseded", "It ends:")]
    assert order == sorted(order)


async def test_failed_attempt_keeps_logs_and_decisions_after_deletion(shop: WebFixture) -> None:
    browser = await shop.signed_in(ADA)
    links = _LINK.findall((await browser.get(PAGE)).text)
    assert len(links) == 3
    page = await browser.get(links[-1])
    text = words(page)
    assert "failed It ends." in text
    assert "KeyError &lt;script&gt;" in page.text
    assert "Deploying ccccccc." not in text
    assert "Not stored: events and logs are kept only for failed" in words(await browser.get(links[0]))
    assert "Deploying ccccccc." in words(await browser.get(links[1]))


async def test_unknown_attempts_and_readers_get_the_same_page(shop: WebFixture) -> None:
    ada, eve = await shop.signed_in(ADA), await shop.signed_in(EVE)
    link = _LINK.findall((await ada.get(PAGE)).text)[0]
    for answer in (await eve.get(link), await ada.get(f"{PAGE}/attempts/{'9' * 18}")):
        assert answer.status_code == 404
        assert "This attempt is not stored" in words(answer)
