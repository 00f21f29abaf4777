"""Parsing of Docker credentials, which are never shown."""

from __future__ import annotations

import base64
import json

import pytest

from bot.registry.credentials import Credentials

AUTH = base64.b64encode(b"robot:canary").decode()


def test_registry_keys_of_docker_login() -> None:
    config = {"auths": {"https://index.docker.io/v1/": {"auth": AUTH}, "ghcr.io": {"auth": AUTH}}}
    credentials = Credentials.from_docker_config(json.dumps(config))
    assert credentials.header("docker.io") == f"Basic {AUTH}"
    assert credentials.header("ghcr.io") == f"Basic {AUTH}"
    assert credentials.header("quay.io") is None


def test_separate_username_and_password() -> None:
    config = {"auths": {"quay.io": {"username": "robot", "password": "canary"}}}
    assert Credentials.from_docker_config(json.dumps(config)).header("quay.io") == f"Basic {AUTH}"


def test_repr_contains_no_password() -> None:
    credentials = Credentials.from_docker_config(json.dumps({"auths": {"ghcr.io": {"auth": AUTH}}}))
    assert repr(credentials) == "Credentials(ghcr.io)"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("canary", "not JSON"),
        ("[]", "no `auths`"),
        ('{"credsStore": "desktop"}', "put user names and passwords"),
        ('{"auths": {"ghcr.io": {"identitytoken": "canary"}}}', "docker login ghcr.io"),
        ('{"auths": {"ghcr.io": {"auth": "canary!"}}}', "docker login ghcr.io"),
        ('{"auths": {"ghcr.io": "canary"}}', "not an object"),
    ],
)
def test_invalid_credentials_are_explained(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as caught:
        Credentials.from_docker_config(text)
    assert "canary" not in str(caught.value)
