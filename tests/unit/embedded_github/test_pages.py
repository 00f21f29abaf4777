"""The pages: content, forms and protection against forgery."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.embedded.github import GitHubServer, PreparedPush
from bot.embedded.github.operations.deployments import Actor
from bot.embedded.github.pages.markdown import render

SHOP = "acme/shop"


class Browser(httpx.Client):
    def sign_in(self, login: str) -> None:
        self.post("/session", data={"login": login, "back": "/"})


@pytest.fixture
def browser(github: GitHubServer) -> Iterator[Browser]:
    with Browser(base_url=github.url, trust_env=False, verify=False, follow_redirects=True) as browser:
        yield browser


def test_forms_open_push_comment_and_close(github: GitHubServer, browser: Browser) -> None:
    github.settings.prepared_pushes[SHOP] = [
        PreparedPush("Raise the price", {"src/app.py": b"print(2)\n"}),
        PreparedPush("Lower it again", {"src/app.py": b"print(1.5)\n"}),
    ]
    browser.sign_in("ben")
    page = browser.post(
        f"/{SHOP}/pulls", data={"branch": "price", "title": "A better price", "choice": "Raise the price"}
    )
    assert page.url.path == f"/{SHOP}/pull/1"
    assert "A better price" in page.text
    first = github.pulls.get(SHOP, 1).head_sha
    browser.post(f"/{SHOP}/pull/1/push", data={"choice": "Lower it again"})
    assert github.pulls.get(SHOP, 1).head_sha != first
    page = browser.post(f"/{SHOP}/pull/1/comment", data={"body": "/status"})
    assert "/status" in page.text
    assert [(c.author, c.body) for c in github.comments.on(SHOP, 1)] == [("ben", "/status")]
    assert "Closed" in browser.post(f"/{SHOP}/pull/1/close").text
    assert "Open" in browser.post(f"/{SHOP}/pull/1/reopen").text
    assert "Merged" in browser.post(f"/{SHOP}/pull/1/merge", data={"method": "squash"}).text


def test_outsider_uses_a_fork_and_cannot_merge(github: GitHubServer, browser: Browser) -> None:
    github.accounts.create_user("eve")
    github.repositories.set_role(SHOP, "eve", "read")
    github.settings.prepared_pushes[SHOP] = [PreparedPush("Raise it", {"src/app.py": b"print(2)\n"})]
    browser.sign_in("eve")
    page = browser.post(f"/{SHOP}/pulls", data={"branch": "patch", "choice": "Raise it"})
    assert "eve:patch" in page.text
    assert "Merge pull request" not in page.text
    assert browser.post(f"/{SHOP}/pull/1/merge").status_code == 403
    assert github.pulls.get(SHOP, 1).state == "open"


def test_forms_need_a_signed_in_user(github: GitHubServer, browser: Browser, pull: int) -> None:
    page = browser.get(f"/{SHOP}/pull/{pull}")
    assert "Choose above who you are" in page.text
    assert browser.post(f"/{SHOP}/pull/{pull}/comment", data={"body": "x"}).status_code == 403
    assert browser.get(f"/{SHOP}/pull/99").status_code == 404


def test_form_of_another_site_is_refused(github: GitHubServer, browser: Browser, pull: int) -> None:
    browser.sign_in("ben")
    headers = {"Origin": "https://evil.example.com"}
    assert browser.post(f"/{SHOP}/pull/{pull}/close", headers=headers).status_code == 403
    assert github.pulls.get(SHOP, pull).state == "open"
    away = browser.post(
        "/session", data={"login": "ben", "back": "//evil.example.com"}, follow_redirects=False
    )
    assert away.headers["location"] == "/"


def test_checks_and_deployments_are_shown(github: GitHubServer, browser: Browser, pull: int) -> None:
    sha, bot = github.pulls.get(SHOP, pull).head_sha, github.apps.app.bot_login
    output = {"title": "Ready in 4 s", "summary": "| phase | took |\n|---|---|\n| data | 1 s |"}
    fields = {"conclusion": "success", "output": output}
    run = github.checks.create_run(SHOP, sha, "greenroom", app="greenroom", by=bot, fields=fields)
    actor = Actor(bot, "greenroom")
    asked = {"auto_merge": False, "required_contexts": [], "environment": "preview/1"}
    made = github.deployments.create(SHOP, sha, actor, asked)
    link = "http://pr-1-shop.localhost:8080/"
    github.deployments.add_status(made, actor, {"state": "success", "environment_url": link})
    page = browser.get(f"/{SHOP}/pull/{pull}").text
    assert "Ready in 4 s" in page
    assert f'href="{link}"' in page
    assert "View deployment" in page
    assert "<td>data</td>" in browser.get(f"/{SHOP}/runs/{run.id}").text


def test_pages_load_no_external_content(browser: Browser, pull: int) -> None:
    page = browser.get(f"/{SHOP}/pull/{pull}")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "style=" not in page.text
    for asset in ("/_static/style.css", "/_static/live.js", "/favicon.svg", "/avatars/u/1"):
        assert browser.get(asset).status_code == 200


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;"),
        ("a <img src=x onerror=alert(1)>", "&lt;img"),
        ("[x](javascript:alert(1))", "[x](javascript"),
        ("<details onclick=alert(1)>", "&lt;details onclick"),
        ("<b onmouseover=x>", "&lt;b onmouseover"),
        ("![pixel](https://tracker.example.com/p.png)", '<a href="https://tracker.example.com/p.png"'),
        ('https://a.example/"><script>', "&lt;script&gt;"),
    ],
)
def test_markdown_is_sanitized(text: str, html: str) -> None:
    shown = render(text)
    assert html in shown
    assert "<script" not in shown
    assert "<img" not in shown


def test_markdown_renders_bot_comments() -> None:
    shown = render("<!-- mark -->\n<details><summary>More</summary>\n\n**bold** <sub>x</sub>\n\n</details>\n")
    assert "mark" not in shown
    assert "<details><summary>More</summary>" in shown
    assert "<strong>bold</strong> <sub>x</sub>" in shown
    assert '<a href="http://pr-1.localhost/">http://pr-1.localhost/</a>.' in render(
        "At http://pr-1.localhost/."
    )


def test_sign_in_returns_the_user(github: GitHubServer, browser: Browser) -> None:
    callback = "http://127.0.0.1:1/callback"
    asked = {"client_id": github.credentials.client_id, "redirect_uri": callback, "state": "s1"}
    page = browser.get("/login/oauth/authorize", params=asked)
    assert "Continue as ada" in page.text
    sent = browser.post("/login/oauth/authorize", data={**asked, "login": "ada"}, follow_redirects=False)
    answer = parse_qs(urlsplit(sent.headers["location"]).query)
    assert sent.headers["location"].startswith(callback)
    assert answer["state"] == ["s1"]

    exchange = {
        "client_id": github.credentials.client_id,
        "client_secret": github.credentials.client_secret,
        "code": answer["code"][0],
    }
    json = {"Accept": "application/json"}
    wrong = browser.post("/login/oauth/access_token", data=exchange | {"client_secret": "no"}, headers=json)
    assert wrong.json()["error"] == "incorrect_client_credentials"
    token = browser.post("/login/oauth/access_token", data=exchange, headers=json).json()["access_token"]
    again = browser.post("/login/oauth/access_token", data=exchange, headers=json)
    assert again.json()["error"] == "bad_verification_code"

    bearer = {"Authorization": f"Bearer {token}"}
    assert browser.get(f"{github.api_url}/user", headers=bearer).json()["login"] == "ada"
    assert browser.get(f"{github.api_url}/repos/{SHOP}", headers=bearer).status_code == 200


def test_sign_in_checks_app_and_address(github: GitHubServer, browser: Browser) -> None:
    fields = {"client_id": github.credentials.client_id}
    assert browser.get("/login/oauth/authorize", params={"client_id": "x"}).status_code == 404
    strange = {**fields, "redirect_uri": "javascript:alert(1)"}
    assert browser.get("/login/oauth/authorize", params=strange).status_code == 422
