"""The dashboard and the page of an environment: access and content."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import httpx

from bot.model.diagnostics import Event, LogTail, NamespaceDiagnostics
from bot.model.environment import (
    CheckResult,
    CheckState,
    EnvironmentKind,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
    phases_of,
)
from bot.model.repository import Repository
from tests.stores import ManualClock
from tests.unit.environments.test_desired_state import PULL
from tests.unit.web.pages.conftest import ADA, EVE, GITHUB, SHOP, WebFixture

PAGE = f"/environments/preview/{SHOP.id}/{PULL.number}"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)> {{ 7 * 7 }} \u202eevil'


class Parts(HTMLParser):
    """What a browser would make of a page: every attribute with its tag."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]


def words(answer: httpx.Response) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def ready(clock: ManualClock) -> Status:
    now = clock()
    phases = {
        phase: PhaseRecord(now, now + timedelta(seconds=2)) for phase in phases_of(EnvironmentKind.PREVIEW)
    }
    return Status(
        EnvironmentState.READY,
        commit=PULL.head_sha,
        live_commit=PULL.head_sha,
        images={"shop": "sha256:" + "ab" * 32},
        url="https://pr-3-shop-7.preview.example",
        phases=phases,
        checks=(CheckResult("smoke", CheckState.PASSED, "The Job completed.", "", 1.5),),
        expires_at=now + timedelta(days=3),
    )


async def test_environment_page_shows_details_phases_and_logs(web: WebFixture, clock: ManualClock) -> None:
    await web.environment(ready(clock), ("opened", "Deploying aaaaaaa."), ("ready", "aaaaaaa answers"))
    web.github.readers[SHOP.id] = {"ada"}
    web.diagnostics.result = NamespaceDiagnostics(
        (Event(clock(), "Pod shop-1", "BackOff", "restarting", warning=True, count=3),),
        (LogTail("shop-1", "web", "listening on 8080"),),
    )
    browser = await web.signed_in(ADA)
    page = await browser.get(PAGE)
    text = words(page)
    for piece in (
        "A blue shop",
        "aaaaaaa is ready.",
        "https://pr-3-shop-7.preview.example",
        "sha256:abababababab",
        "04 March 2026, 12:00 UTC",
        "in 3 days",
        "configuration done 2.0 s",
        "18 s total",
        "smoke passed in 1.5 s",
        "opened Deploying aaaaaaa.",
        "BackOff \N{MULTIPLICATION SIGN}3 restarting Pod shop-1",
        "listening on 8080",
    ):
        assert piece in text, piece
    assert f"{GITHUB}/acme/shop/pull/3" in page.text
    assert "A blue shop" in words(await browser.get("/"))


async def test_environment_page_shows_deadlines_and_failures(web: WebFixture, clock: ManualClock) -> None:
    web.github.readers[SHOP.id] = {"ada"}
    browser = await web.signed_in(ADA)
    started = {Phase.ARTIFACT: PhaseRecord(clock())}
    until = clock() + timedelta(hours=1)
    await web.environment(
        Status(
            EnvironmentState.WAITING,
            commit=PULL.head_sha,
            phases=started,
            cause=StatusMessage("Waiting for the image shop.", until=until),
        )
    )
    text = words(await browser.get(PAGE))
    assert "Waiting for the image shop." in text
    assert "Times out at 01 March 2026, 13:00 UTC , in 1 hour." in text
    await web.environment(
        Status(
            EnvironmentState.FAILED,
            commit=PULL.head_sha,
            phases=started,
            cause=StatusMessage("The container keeps ending.", "KeyError: 'PORT'"),
        )
    )
    page = await browser.get(PAGE)
    assert "The container keeps ending." in page.text
    assert "KeyError: &#39;PORT&#39;" in page.text


async def test_unreadable_environment_looks_like_a_missing_one(web: WebFixture, clock: ManualClock) -> None:
    await web.environment(ready(clock))
    web.github.readers[SHOP.id] = {"ada"}
    browser = await web.signed_in(EVE)
    secret, absent, senseless = [
        await browser.get(path) for path in (PAGE, "/environments/preview/7/99", "/environments/x/7/3")
    ]
    assert secret.status_code == absent.status_code == senseless.status_code == 404
    assert secret.text == absent.text == senseless.text
    assert "A blue shop" not in (await browser.get("/")).text


async def test_dashboard_shows_only_readable_environments(web: WebFixture, clock: ManualClock) -> None:
    other = Repository(8, 1, "acme", "secrets")
    await web.environment(ready(clock))
    await web.environment(ready(clock), pull=replace(PULL, repository=other, number=4, title="The merger"))
    web.github.readers = {SHOP.id: {"ada"}, other.id: {"eve"}}
    shown = words(await (await web.signed_in(ADA)).get("/"))
    assert "A blue shop" in shown
    assert "The merger" not in shown
    assert "acme/secrets" not in shown


async def test_dashboard_has_pages(web: WebFixture, clock: ManualClock) -> None:
    for number in range(1, 121):
        await web.environment(ready(clock), pull=replace(PULL, number=number, title=f"Change <{number}>"))
        clock.advance(1)
    web.github.readers = {SHOP.id: {"ada"}}
    browser = await web.signed_in(ADA)
    titles = []
    for page in (1, 2, 3):
        text = (await browser.get("/", params={"page": page})).text
        titles += [int(number) for number in re.findall(r"Change &lt;(\d+)&gt;", text)]
        assert f"Page {page} of 3" in text
        assert ('rel="prev"' in text, 'rel="next"' in text) == (page > 1, page < 3)
    assert titles == list(range(120, 0, -1))
    for senseless in ("0", "-1", "99999999999", "four", "\u0663"):
        assert "of 3" in (await browser.get("/", params={"page": senseless})).text


async def test_access_fails_closed_and_is_cached_for_a_minute(web: WebFixture, clock: ManualClock) -> None:
    await web.environment(ready(clock))
    web.github.readers[SHOP.id] = {"ada"}
    web.github.away = True
    browser = await web.signed_in(ADA)
    assert (await browser.get(PAGE)).status_code == 404
    web.github.away = False
    assert (await browser.get(PAGE)).status_code == 200
    web.github.asked.clear()
    assert (await browser.get(PAGE)).status_code == 200
    assert web.github.asked == []
    web.github.readers.clear()
    web.access_time += 60
    assert (await browser.get(PAGE)).status_code == 404


async def test_hostile_names_are_escaped(web: WebFixture, clock: ManualClock) -> None:
    pull = replace(PULL, title=HOSTILE, head_ref=HOSTILE, author="eve")
    status = replace(
        ready(clock),
        state=EnvironmentState.FAILED,
        cause=StatusMessage(HOSTILE, HOSTILE),
        checks=(CheckResult(HOSTILE, CheckState.FAILED, HOSTILE, HOSTILE),),
        images={HOSTILE: HOSTILE},
    )
    await web.environment(status, (HOSTILE, HOSTILE), pull=pull)
    web.github.readers[SHOP.id] = {"ada"}
    web.diagnostics.result = NamespaceDiagnostics(
        (Event(None, HOSTILE, HOSTILE, HOSTILE, warning=True),), (LogTail(HOSTILE, HOSTILE, HOSTILE),)
    )
    browser = await web.signed_in(ADA)
    for path in (PAGE, "/"):
        page = (await browser.get(path)).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert " {{ 7 * 7 }} " in page
        parts = Parts()
        parts.feed(page)
        assert not {name for _, name, _ in parts.attributes if name.startswith("on")}
        assert {value for tag, name, value in parts.attributes if (tag, name) == ("img", "src")} == {
            "/static/leaf.svg"
        }


async def test_pages_have_no_inline_script_and_are_not_cached(web: WebFixture, clock: ManualClock) -> None:
    await web.environment(ready(clock))
    web.github.readers[SHOP.id] = {"ada"}
    browser = await web.signed_in(ADA)
    for path in (PAGE, "/", "/nowhere"):
        page = await browser.get(path)
        assert page.headers["content-security-policy"].startswith("default-src 'self'")
        assert " style=" not in page.text
        assert not re.search(r"<script(?![^>]*\ssrc=)", page.text)
    assert (await browser.get(PAGE)).headers["cache-control"] == "no-store"
    for name in ("style.css", "refresh.js", "leaf.svg"):
        assert (await browser.get(f"/static/{name}")).status_code == 200


async def test_deleted_environment_reads_nothing_from_the_cluster(web: WebFixture) -> None:
    web.github.readers[SHOP.id] = {"ada"}
    web.diagnostics.result = NamespaceDiagnostics(unavailable="the cluster was asked")
    await web.environment(
        Status(
            EnvironmentState.GONE, commit=PULL.head_sha, cause=StatusMessage("The pull request was merged.")
        )
    )
    browser = await web.signed_in(ADA)
    text = words(await browser.get(PAGE))
    assert "The environment was deleted." in text
    assert "The pull request was merged." in text
    assert "the cluster was asked" not in text
    assert "A blue shop" not in words(await browser.get("/"))


async def test_backticks_mark_code_in_escaped_text(web: WebFixture, clock: ManualClock) -> None:
    web.github.readers[SHOP.id] = {"ada"}
    cause = StatusMessage("No preview (`preview.skip.<b>`); one ` alone.")
    await web.environment(replace(ready(clock), cause=cause), ("skipped", "`<i>` it is"))
    page = (await (await web.signed_in(ADA)).get(PAGE)).text
    assert "No preview (`preview.skip.&lt;b&gt;`); one ` alone." in page
    assert "<code>&lt;i&gt;</code> it is" in page
