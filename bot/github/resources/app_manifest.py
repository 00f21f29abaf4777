"""The App's manifest: what `app.yml` declares, with the URLs of one installation."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).parents[1] / "app.yml"
LONGEST_NAME = 34
"""Characters of an App's name."""


@functools.cache
def _declared() -> Mapping[str, Any]:
    declared: Mapping[str, Any] = yaml.safe_load(_FILE.read_text("utf-8"))
    return declared


def permissions() -> Mapping[str, str]:
    return dict(_declared()["default_permissions"])


def events() -> Sequence[str]:
    return tuple(_declared()["default_events"])


def app_manifest(name: str, public_url: str, redirect_url: str) -> Mapping[str, Any]:
    """The manifest for an App called `name` whose bot is at `public_url`.

    After the registration GitHub sends the browser to `redirect_url`.
    """
    return {
        "name": name,
        "description": _declared()["description"],
        "url": public_url,
        "hook_attributes": {"url": f"{public_url}/webhooks", "active": True},
        "redirect_url": redirect_url,
        "callback_urls": [f"{public_url}/sign-in/callback"],
        "public": False,
        "default_permissions": permissions(),
        "default_events": list(events()),
    }
