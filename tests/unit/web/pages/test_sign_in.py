"""Sign-in, sessions and redirects."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.web.application import create_application
from bot.web.pages.routes import unconfigured_routes
from bot.web.pages.session import ATTEMPT, SESSION
from bot.web.pages.site import Site, own_path
from tests.unit.web.pages.conftest import ADA, EVE, GITHUB, URL, WebFixture


async def test_sign_in_returns_to_the_requested_page(
    web: WebFixture,
) -> None:
    browser = web.browser()
    sent = await browser.get("/environments/preview/7/3")
    assert sent.headers["location"] == "/sign-in?next=/environments/preview/7/3"
    assert "Sign in with GitHub" in (await browser.get(sent.headers["location"])).text
    state = await browser.begin("/environments/preview/7/3")
    web.github.codes["code"] = ADA
    back = await browser.follow_callback(code="code", state=state)
    assert back.headers["location"] == "/environments/preview/7/3"
    assert "ada" in (await browser.get("/")).text


async def test_sign_in_sends_redirect_uri_and_challenge(web: WebFixture) -> None:
    sent = await web.browser().post("/sign-in", params={"next": "/"})
    query = parse_qs(urlsplit(sent.headers["location"]).query)
    assert query["redirect_uri"] == [f"{URL}/sign-in/callback"]
    assert len(query["code_challenge"][0]) == 43
    assert len(query["state"][0]) >= 40


async def test_sign_in_of_another_browser_is_rejected(web: WebFixture) -> None:
    attacker, victim = web.browser(), web.browser()
    state = await attacker.begin()
    web.github.codes["code"] = EVE
    answer = await victim.follow_callback(code="code", state=state)
    assert answer.status_code == 400
    await victim.begin()
    answer = await victim.follow_callback(code="code", state=state)
    assert answer.status_code == 400
    assert (await victim.get("/")).headers["location"] == "/sign-in"
    assert web.github.codes, "the code was not even used"


async def test_sign_in_attempt_expires_after_ten_minutes(web: WebFixture) -> None:
    browser = web.browser()
    state = await browser.begin()
    web.github.codes["code"] = ADA
    web.clock.advance(ATTEMPT.total_seconds())
    assert (await browser.follow_callback(code="code", state=state)).status_code == 400


async def test_sign_in_reports_denial_and_invalid_code(web: WebFixture) -> None:
    browser = web.browser()
    state = await browser.begin()
    denied = await browser.follow_callback(error="access_denied", state=state)
    assert denied.status_code == 403
    assert "denied access" in denied.text
    wrong = await browser.follow_callback(code="invented", state=state)
    assert wrong.status_code == 502
    assert "invented" not in wrong.text


async def test_session_cookie_is_http_only_and_minimal(web: WebFixture) -> None:
    browser = web.browser()
    state = await browser.begin()
    web.github.codes["code"] = ADA
    back = await browser.follow_callback(code="code", state=state)
    [cookie] = [
        header for header in back.headers.get_list("set-cookie") if header.startswith("__Host-greenroom=")
    ]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    body = cookie.split("=", 1)[1].split(".")[1]
    content = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert set(content) == {"sub", "login", "aud", "exp"}


async def test_session_ends_by_expiry_and_sign_out(web: WebFixture) -> None:
    browser = await web.signed_in(ADA)
    assert (await browser.get("/")).status_code == 200
    await browser.post("/sign-out")
    assert (await browser.get("/")).headers["location"] == "/sign-in"
    browser = await web.signed_in(ADA)
    web.clock.advance(SESSION.total_seconds())
    assert (await browser.get("/")).headers["location"] == "/sign-in"


async def test_forged_cookies_are_ignored(web: WebFixture) -> None:
    browser = await web.signed_in(ADA)
    name, value = "__Host-greenroom", browser.cookies["__Host-greenroom"]
    head, body, mac = value.split(".")
    forged = base64.urlsafe_b64encode(b'{"sub":"1","login":"ada","aud":"greenroom","exp":99999999999}')
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    other = web.browser()
    await other.begin()
    for cookie in (
        f"{head}.{forged.decode().rstrip('=')}.{mac}",
        f"{unsigned}.{body}.",
        other.cookies["__Host-greenroom-sign-in"],
        "nonsense",
    ):
        answer = await web.browser().get("/", headers={"Cookie": f"{name}={cookie}"})
        assert answer.headers["location"] == "/sign-in"


async def test_cookie_without_https_has_no_host_prefix(web: WebFixture) -> None:
    local = WebFixture(web.store, web.clock, "http://127.0.0.1:8000")
    browser = await local.signed_in(ADA)
    assert set(browser.cookies) == {"greenroom"}
    assert (await browser.get("/")).status_code == 200


async def test_links_and_cookies_keep_the_path_prefix(web: WebFixture) -> None:
    below = WebFixture(web.store, web.clock, f"{URL}/greenroom")
    browser = below.browser()
    assert (await browser.get("/")).headers["location"] == "/greenroom/sign-in"
    assert 'action="/greenroom/sign-in?next=/"' in (await browser.get("/sign-in")).text
    sent = await browser.post("/sign-in")
    assert "Path=/greenroom;" in sent.headers["set-cookie"]
    assert "greenroom.example.com%2Fgreenroom%2Fsign-in%2Fcallback" in sent.headers["location"]


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/x\r\nSet-Cookie: a=b",
        "",
        "///evil.example",
        "/\t/evil.example",
    ],
)
def test_own_path_rejects_other_sites(path: str) -> None:
    assert own_path(path) == "/"


def test_own_path_accepts_own_pages() -> None:
    assert own_path("/environments/preview/7/3") == "/environments/preview/7/3"


@pytest.mark.parametrize("path", ["/", "/sign-in", "/environments/preview/7/3"])
async def test_pages_without_client_id_name_the_settings(path: str) -> None:
    def clock() -> None:
        raise AssertionError("no time is shown")

    web = create_application(unconfigured_routes(Site(URL, GITHUB, clock)))  # type: ignore[arg-type]  # routes
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url=URL) as client:
        answer = await client.get(path)
    assert answer.status_code == 404
    assert "GREENROOM_GITHUB_CLIENT_ID" in answer.text
    assert "GREENROOM_GITHUB_CLIENT_SECRET" in answer.text
