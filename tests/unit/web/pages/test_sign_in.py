"""Signing in: begun and ended in one browser, by the person who agreed on GitHub."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.web.application import create_application
from bot.web.pages.routes import closed_routes
from bot.web.pages.session import ATTEMPT, SESSION
from bot.web.pages.site import Site, own_path
from tests.unit.web.pages.conftest import ADA, EVE, GITHUB, URL, Office


async def test_a_stranger_is_asked_to_sign_in_and_comes_back_to_where_he_wanted_to_go(office: Office) -> None:
    browser = office.browser()
    sent = await browser.get("/environments/preview/7/3")
    assert sent.headers["location"] == "/sign-in?next=/environments/preview/7/3"
    assert "Sign in with GitHub" in (await browser.get(sent.headers["location"])).text
    state = await browser.begin("/environments/preview/7/3")
    office.github.codes["code"] = ADA
    back = await browser.come_back(code="code", state=state)
    assert back.headers["location"] == "/environments/preview/7/3"
    assert "ada" in (await browser.get("/")).text


async def test_github_is_told_where_to_send_people_and_a_proof_key(office: Office) -> None:
    sent = await office.browser().post("/sign-in", data={"next": "/"})
    query = parse_qs(urlsplit(sent.headers["location"]).query)
    assert query["redirect_uri"] == [f"{URL}/sign-in/callback"]
    assert len(query["code_challenge"][0]) == 43
    assert len(query["state"][0]) >= 40


async def test_a_sign_in_that_another_browser_began_is_refused(office: Office) -> None:
    attacker, victim = office.browser(), office.browser()
    state = await attacker.begin()
    office.github.codes["code"] = EVE
    answer = await victim.come_back(code="code", state=state)
    assert answer.status_code == 400
    await victim.begin()
    answer = await victim.come_back(code="code", state=state)
    assert answer.status_code == 400
    assert (await victim.get("/")).headers["location"] == "/sign-in"
    assert office.github.codes, "the code was not even used"


async def test_one_attempt_is_good_for_ten_minutes(office: Office) -> None:
    browser = office.browser()
    state = await browser.begin()
    office.github.codes["code"] = ADA
    office.clock.advance(ATTEMPT.total_seconds())
    assert (await browser.come_back(code="code", state=state)).status_code == 400


async def test_who_does_not_agree_and_what_github_does_not_accept_is_told(office: Office) -> None:
    browser = office.browser()
    state = await browser.begin()
    denied = await browser.come_back(error="access_denied", state=state)
    assert denied.status_code == 403
    assert "did not agree" in denied.text
    wrong = await browser.come_back(code="invented", state=state)
    assert wrong.status_code == 502
    assert "invented" not in wrong.text


async def test_the_cookie_is_out_of_reach_and_tells_no_more_than_who(office: Office) -> None:
    browser = office.browser()
    state = await browser.begin()
    office.github.codes["code"] = ADA
    back = await browser.come_back(code="code", state=state)
    [cookie] = [one for one in back.headers.get_list("set-cookie") if one.startswith("__Host-greenroom=")]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    body = cookie.split("=", 1)[1].split(".")[1]
    content = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert set(content) == {"sub", "login", "aud", "exp"}


async def test_a_session_ends_by_itself_and_by_signing_out(office: Office) -> None:
    browser = await office.signed_in(ADA)
    assert (await browser.get("/")).status_code == 200
    await browser.post("/sign-out")
    assert (await browser.get("/")).headers["location"] == "/sign-in"
    browser = await office.signed_in(ADA)
    office.clock.advance(SESSION.total_seconds())
    assert (await browser.get("/")).headers["location"] == "/sign-in"


async def test_a_cookie_that_somebody_changed_or_used_for_something_else_is_nobody(office: Office) -> None:
    browser = await office.signed_in(ADA)
    name, value = "__Host-greenroom", browser.cookies["__Host-greenroom"]
    head, body, mac = value.split(".")
    forged = base64.urlsafe_b64encode(b'{"sub":"1","login":"ada","aud":"greenroom","exp":99999999999}')
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    other = office.browser()
    await other.begin()
    for cookie in (
        f"{head}.{forged.decode().rstrip('=')}.{mac}",
        f"{unsigned}.{body}.",
        other.cookies["__Host-greenroom-sign-in"],
        "nonsense",
    ):
        answer = await office.browser().get("/", headers={"Cookie": f"{name}={cookie}"})
        assert answer.headers["location"] == "/sign-in"


async def test_without_https_the_cookie_is_a_plain_one(office: Office) -> None:
    local = Office(office.store, office.clock, "http://127.0.0.1:8000")
    browser = await local.signed_in(ADA)
    assert set(browser.cookies) == {"greenroom"}
    assert (await browser.get("/")).status_code == 200


async def test_behind_a_path_links_and_cookies_stay_below_it(office: Office) -> None:
    below = Office(office.store, office.clock, f"{URL}/greenroom")
    browser = below.browser()
    assert (await browser.get("/")).headers["location"] == "/greenroom/sign-in"
    assert 'action="/greenroom/sign-in"' in (await browser.get("/sign-in")).text
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
def test_nobody_is_sent_to_another_site(path: str) -> None:
    assert own_path(path) == "/"


def test_our_own_pages_are_gone_back_to() -> None:
    assert own_path("/environments/preview/7/3") == "/environments/preview/7/3"


@pytest.mark.parametrize("path", ["/", "/sign-in", "/environments/preview/7/3"])
async def test_without_a_client_id_every_page_says_what_to_set_and_nothing_else(path: str) -> None:
    def clock() -> None:
        raise AssertionError("no time is shown")

    web = create_application(closed_routes(Site(URL, GITHUB, clock)))  # type: ignore[arg-type]  # routes
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url=URL) as client:
        answer = await client.get(path)
    assert answer.status_code == 404
    assert "GREENROOM_GITHUB_CLIENT_ID" in answer.text
    assert "GREENROOM_GITHUB_CLIENT_SECRET" in answer.text
