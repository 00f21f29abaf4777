"""A browser's part in the registration of an App, without a browser: forms are read and sent."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin

import httpx

_ACTION = re.compile(r'<form method="post" action="([^"]+)"')
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def register(url: str, login: str, name: str | None = None) -> httpx.Response:
    """Opens the page of `greenroom setup`, confirms on GitHub as `login`, and returns the last page."""
    with httpx.Client(trust_env=False, timeout=30) as browser:
        return browser.get(confirm(browser, url, login, name))


def confirm(browser: httpx.Client, url: str, login: str, name: str | None = None) -> str:
    """Like `register`, up to the address to which GitHub sends the browser back."""
    start = browser.get(url)
    address, fields = form(start.text)
    github = browser.post(address, data=fields)
    address, fields = form(github.text, "/settings/apps/manifest")
    chosen = {"login": login, "name": name or proposed_name(github.text)}
    registered = browser.post(urljoin(str(github.url), address), data={**fields, **chosen})
    assert registered.status_code == 303, registered.text
    return registered.headers["Location"]


def form(page: str, action: str = "") -> tuple[str, dict[str, str]]:
    """The action and the hidden fields of the page's form with that action, or of its only one."""
    actions = [unescape(target) for target in _ACTION.findall(page)]
    [chosen] = [item for item in actions if item.startswith(action) and item != "/session"]
    return chosen, {name: unescape(value) for name, value in _HIDDEN.findall(page) if name != "back"}


def proposed_name(page: str) -> str:
    match = re.search(r'id="name" name="name" value="([^"]*)"', page)
    assert match, page
    return unescape(match[1])
