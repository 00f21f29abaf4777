"""Fixtures, published schemas and the payloads of the embedded GitHub agree."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from githubkit.webhooks import parse

from bot.embedded.github.core import GitHub
from tests.unit.embedded_github.scenario import last_payloads, play
from tests.webhooks import NAMES, SECRET, fixture


@pytest.fixture(scope="module")
def sent() -> dict[str, Any]:
    github = GitHub()
    github.world.web, github.world.api = "http://127.0.0.1:1", "http://127.0.0.1:1/api/v3"
    play(github)
    github.close()
    return last_payloads(github)


def shape(value: Any) -> Any:
    """The keys of a payload, with what is null or empty left open."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else None
    return None


def differences(item: Any, other: Any, path: str = "") -> list[str]:
    if isinstance(item, dict) and isinstance(other, dict):
        paths = [f"{path}.{key}" for key in item.keys() ^ other.keys()]
        for key in item.keys() & other.keys():
            paths += differences(item[key], other[key], f"{path}.{key}")
        return paths
    if isinstance(item, list) and isinstance(other, list):
        return differences(item[0], other[0], f"{path}[]")
    return []


def test_each_sent_event_has_a_fixture(sent: dict[str, Any]) -> None:
    assert sorted(sent) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_payload_has_the_keys_of_the_fixture(name: str, sent: dict[str, Any]) -> None:
    assert differences(shape(fixture(name).payload), shape(sent[name])) == []


@pytest.mark.parametrize("name", NAMES)
def test_fixture_fits_the_published_schema(name: str) -> None:
    assert parse(name.partition(".")[0], fixture(name).body)


@pytest.mark.parametrize("name", NAMES)
def test_fixture_headers_sign_its_bytes(name: str) -> None:
    webhook = fixture(name)
    assert webhook.event == name.partition(".")[0]
    expected = hmac.new(SECRET.encode(), webhook.body, hashlib.sha256).hexdigest()
    assert webhook.headers["X-Hub-Signature-256"] == f"sha256={expected}"


def test_pull_request_payload_has_realistic_size() -> None:
    assert len(fixture("pull_request.opened").body) > 20_000
