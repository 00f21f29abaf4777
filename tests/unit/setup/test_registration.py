"""The page on loopback: what it sends to GitHub, and from whom it accepts a code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml

from bot.embedded.github import GitHubServer
from bot.github.resources.app_manifest import app_manifest
from bot.github.resources.registration import RegisteredApp, registration_page
from bot.github.resources.sign_in import api_url, web_url
from bot.model.errors import Rejected, Unavailable
from bot.setup.browser import Registration, RegistrationFailed
from tests.unit.setup.manifest_flow import confirm, form, register

PUBLIC = "https://greenroom.example.com"
APP = RegisteredApp(7, "Shop <previews>", "shop", "https://github.test/apps/shop", "Iv1", "cs", "ws", "pem")


class Exchange:
    """Answers codes with an App or an error, and records them."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.error: Exception | None = None

    def __call__(self, code: str) -> RegisteredApp:
        self.codes.append(code)
        if self.error:
            raise self.error
        return APP


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    with GitHubServer() as server:
        server.accounts.create_user("ada")
        server.accounts.create_user("eve")
        server.accounts.create_organization("acme", admins=("ada",))
        yield server


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def page(github: GitHubServer, exchange: Exchange) -> Iterator[Registration]:
    with Registration(
        0,
        lambda state: registration_page(github.url, "acme", state),
        lambda redirect: app_manifest("greenroom-acme", PUBLIC, redirect),
        exchange,
    ) as registration:
        yield registration


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


def test_manifest_asks_for_what_app_yml_declares(page: Registration, browser: httpx.Client) -> None:
    start = browser.get(page.url)
    _, fields = form(start.text)
    manifest = json.loads(fields["manifest"])
    declared = yaml.safe_load(Path("app.yml").read_text())
    assert manifest["default_permissions"] == declared["default_permissions"]
    assert manifest["default_events"] == declared["default_events"]
    assert manifest["hook_attributes"] == {"url": f"{PUBLIC}/webhooks", "active": True}
    assert manifest["callback_urls"] == [f"{PUBLIC}/sign-in/callback"]
    assert manifest["public"] is False
    assert start.headers["Cache-Control"] == "no-store"


def test_browser_registers_the_app_once(
    page: Registration, exchange: Exchange, browser: httpx.Client, github: GitHubServer
) -> None:
    back = confirm(browser, page.url, "ada")
    answer = browser.get(back)
    assert answer.status_code == 200
    assert "Shop &lt;previews&gt; is registered" in answer.text
    assert APP.installation_url in answer.text
    assert page.wait(1) is APP
    assert exchange.codes == [parse_qs(urlsplit(back).query)["code"][0]]
    assert github.apps.app.owner == "acme"
    assert github.apps.app.hook_url == f"{PUBLIC}/webhooks"
    assert browser.get(back).status_code == 410
    assert browser.get(page.url).status_code == 410
    assert len(exchange.codes) == 1


def test_code_without_the_state_is_not_accepted(
    page: Registration, exchange: Exchange, browser: httpx.Client
) -> None:
    back = urlsplit(page.url)._replace(path="/registered", query="code=stolen&state=guessed").geturl()
    assert browser.get(back).status_code == 403
    assert browser.get(page.url.rsplit("/", 1)[0] + "/").status_code == 404
    assert exchange.codes == []
    assert register(page.url, "ada").status_code == 200


def test_other_hosts_are_refused(page: Registration, browser: httpx.Client) -> None:
    assert browser.get(page.url, headers={"Host": "rebound.example.com"}).status_code == 421


def test_unanswered_exchange_is_tried_again_by_a_reload(
    page: Registration, exchange: Exchange, browser: httpx.Client
) -> None:
    back = confirm(browser, page.url, "ada")
    exchange.error = Unavailable("GitHub did not answer.")
    assert "GitHub did not answer. Reload this page." in browser.get(back).text
    exchange.error = None
    assert browser.get(back).status_code == 200
    assert page.wait(1) is APP


def test_rejected_code_ends_the_registration(
    page: Registration, exchange: Exchange, browser: httpx.Client
) -> None:
    back = confirm(browser, page.url, "ada")
    exchange.error = Rejected("GitHub does not accept the code.")
    assert browser.get(back).status_code == 400
    with pytest.raises(RegistrationFailed, match=r"does not accept the code\. Run the command again\."):
        page.wait(1)


def test_registration_ends_after_a_time(page: Registration) -> None:
    with pytest.raises(RegistrationFailed, match="was not registered"):
        page.wait(0.01)


def test_port_in_use_is_named(page: Registration, exchange: Exchange) -> None:
    port = urlsplit(page.url).port or 0
    with pytest.raises(RegistrationFailed, match=f"127.0.0.1:{port}.*Set --port"):
        Registration(port, str, lambda redirect: {}, exchange)


def test_only_owners_of_the_organization_can_register(page: Registration, browser: httpx.Client) -> None:
    _, fields = form(browser.get(page.url).text)
    shown = browser.post(form(browser.get(page.url).text)[0], data=fields)
    assert "Create as ada" in shown.text
    assert "Create as eve" not in shown.text


@pytest.mark.parametrize(
    ("web", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://github.acme.example", "https://github.acme.example/api/v3"),
        ("https://acme.example/github", "https://acme.example/github/api/v3"),
    ],
)
def test_addresses_of_the_api_and_of_the_pages_belong_together(web: str, api: str) -> None:
    assert api_url(web) == api
    assert web_url(api) == web


def test_page_of_a_user_and_of_an_organization() -> None:
    assert (
        registration_page("https://github.com", None, "s") == "https://github.com/settings/apps/new?state=s"
    )
    assert (
        registration_page("https://ghes.example", "acme", "s")
        == "https://ghes.example/organizations/acme/settings/apps/new?state=s"
    )
