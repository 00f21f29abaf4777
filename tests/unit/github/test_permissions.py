"""Permissions and events of the App: the table, the manifest and the messages about missing ones."""

from __future__ import annotations

from pathlib import Path

import respx
import yaml

from bot.github.resources.permissions import (
    EVENTS,
    PERMISSIONS,
    PURPOSES,
    missing_permissions,
    missing_rights,
)
from tests.unit.github.github_api import API, Clock, client_at

MANIFEST = Path(__file__).parents[3] / "app.yml"
INSTALLATION = {"id": 20, "account": {"login": "acme"}, "permissions": PERMISSIONS, "events": sorted(EVENTS)}


def test_manifest_equals_the_table() -> None:
    manifest = yaml.safe_load(MANIFEST.read_text())
    assert manifest["default_permissions"] == PERMISSIONS
    assert set(manifest["default_events"]) == EVENTS
    assert set(PURPOSES) == set(PERMISSIONS)
    for name, level in PERMISSIONS.items():
        assert f"{name}: {level} # {PURPOSES[name]}" in MANIFEST.read_text()


def test_higher_levels_are_sufficient() -> None:
    generous = dict.fromkeys(PERMISSIONS, "admin")
    assert missing_rights("The App", generous, [*EVENTS, "star"]) == []


def test_missing_rights_are_listed_with_their_purpose() -> None:
    given = {**PERMISSIONS, "checks": "read"}
    sentences = missing_rights("The App", given, EVENTS - {"push"})
    assert [sentence.split("(")[0].strip() for sentence in sentences] == [
        "The App lacks the permission checks: write",
        "The App is not subscribed to the event push.",
    ]


@respx.mock
async def test_app_and_installations_are_checked() -> None:
    app = {"slug": "greenroom", "permissions": PERMISSIONS, "events": sorted(EVENTS)}
    respx.get(f"{API}/app").respond(json={**app, "html_url": "https://github.example.com/apps/greenroom"})
    installations = respx.get(f"{API}/app/installations").respond(json=[INSTALLATION])
    async with client_at(Clock()) as client:
        assert await missing_permissions(client) == []
        installations.respond(json=[])
        assert (
            "Install it from https://github.example.com/apps/greenroom"
            in (await missing_permissions(client))[0]
        )
        old = {**INSTALLATION, "permissions": {**PERMISSIONS, "deployments": "read"}}
        installations.respond(json=[old])
        assert "An owner of acme must accept it" in (await missing_permissions(client))[0]
        installations.respond(json=[{**old, "suspended_at": "2026-11-24T09:00:00Z"}])
        assert "suspended" in (await missing_permissions(client))[0]
