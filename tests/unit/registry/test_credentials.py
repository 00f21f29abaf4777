"""Docker credentials: which entry applies, and helpers, which get no secret in arguments or environment."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.errors import Unavailable
from bot.model.image_reference import ImageReference, parse_reference
from bot.registry.credentials import Credential, Credentials, DockerConfig, IdentityToken, Login

AUTH = base64.b64encode(b"robot:canary").decode()
ROBOT = Login("robot", "canary")


def entry(config: dict[str, Any], image: str) -> Credential | None:
    reference = parse_reference(image)
    return DockerConfig.parse(json.dumps(config)).entry(reference.registry, reference.repository)


def login(user: str) -> dict[str, str]:
    return {"username": user, "password": "canary"}


def test_registry_keys_of_docker_login() -> None:
    config = {
        "auths": {"https://index.docker.io/v1/": {"auth": AUTH}, "https://ghcr.io/acme": {"auth": AUTH}}
    }
    for image in ("acme/shop", "nginx", "ghcr.io/acme/shop", "ghcr.io/other/shop"):
        assert entry(config, image) == ROBOT
    assert entry(config, "quay.io/acme/shop") is None


@pytest.mark.parametrize(
    ("image", "user"),
    [
        ("ghcr.io/acme/shop", "shop"),
        ("ghcr.io/acme/shop/web", "shop"),
        ("ghcr.io/acme/shopping", "acme"),
        ("ghcr.io/acme/other", "acme"),
        ("ghcr.io/other/x", "other"),
        ("ghcr.io/acmeother/x", "ghcr"),
        ("GHCR.io/acme/x", "acme"),
        ("docker.io/library/nginx", "library"),
        ("nginx", "library"),
        ("docker.io/acme/x", None),
        ("registry.example:5000/x", "port"),
        ("registry.example/x", None),
    ],
)
def test_longest_path_applies(image: str, user: str | None) -> None:
    keys = {
        "ghcr.io": "ghcr",
        "ghcr.io/other": "other",
        "ghcr.io/acme/shop": "shop",
        "ghcr.io/acme/": "acme",
        "docker.io/library": "library",
        "registry.example:5000": "port",
    }
    selected = entry({"auths": {key: login(name) for key, name in keys.items()}}, image.lower())
    assert (selected.username if isinstance(selected, Login) else None) == user


_PATHS = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map("/".join)


@given(st.sets(_PATHS), _PATHS)
def test_no_longer_entry_exists_than_the_one_that_applies(keys: set[str], repository: str) -> None:
    config = {"auths": {f"ghcr.io/{key}": login(key) for key in keys}}
    matching = [key for key in keys if f"{repository}/".startswith(f"{key}/")]
    selected = entry(config, f"ghcr.io/{repository}")
    assert (selected.username if isinstance(selected, Login) else None) == max(
        matching, key=len, default=None
    )


def test_forms_of_an_entry() -> None:
    assert entry({"auths": {"quay.io": login("robot")}}, "quay.io/x") == ROBOT
    assert entry({"auths": {"quay.io": {"auth": AUTH}}}, "quay.io/x") == ROBOT
    token = {"auth": AUTH, "identitytoken": "canary"}
    assert entry({"auths": {"quay.io": token}}, "quay.io/x") == IdentityToken("canary")


def test_repr_contains_no_password() -> None:
    config = DockerConfig.parse(
        json.dumps({"auths": {"a.io": {"auth": AUTH}, "b.io": {"identitytoken": "canary"}}})
    )
    assert "canary" not in repr(config) + repr(Credentials(config))
    assert AUTH not in repr(config)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("canary", "not JSON"),
        ("[]", "not an object"),
        ('{"https://index.docker.io/v1/": {"auth": "canary"}}', "neither `auths` nor"),
        ('{"auths": ["canary"]}', "must be objects"),
        ('{"credsStore": "desktop-absent"}', "docker-credential-desktop-absent is not on PATH"),
        ('{"credHelpers": {"ghcr.io": "../canary"}}', "invalid name"),
        ('{"credsStore": ["canary"]}', "invalid name"),
        ('{"auths": {"ghcr.io": {}}}', "docker login ghcr.io"),
        ('{"auths": {"ghcr.io": {"auth": "canary!"}}}', "docker login ghcr.io"),
        ('{"auths": {"ghcr.io": "canary"}}', "not an object"),
    ],
)
def test_invalid_credentials_are_explained(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as caught:
        DockerConfig.parse(text)
    assert "canary" not in str(caught.value)


HELPER = """#!/bin/sh
[ "$1" = get ] || exit 9
read server
echo "$server $GREENROOM_WEBHOOK_SECRET" >> "{log}"
case "$server" in
  ghcr.io) echo '{{"ServerURL": "ghcr.io", "Username": "robot", "Secret": "canary"}}' ;;
  https://index.docker.io/v1/) echo '{{"Username": "<token>", "Secret": "refresh"}}' ;;
  broken.io) echo "canary" ;;
  failing.io) echo "canary"; exit 2 ;;
  *) echo "credentials not found in native keychain"; exit 1 ;;
esac
"""


@pytest.fixture
def helper_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts docker-credential-vault on PATH; the log has what it read."""
    log, program = tmp_path / "log", tmp_path / "docker-credential-vault"
    program.write_text(HELPER.format(log=log))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("GREENROOM_WEBHOOK_SECRET", "canary")
    return log


def servers(log: Path) -> list[str]:
    return log.read_text().splitlines()


def credentials(**config: Any) -> Credentials:
    return Credentials(DockerConfig.parse(json.dumps(config)))


def reference(registry: str) -> ImageReference:
    return parse_reference(f"{registry}/acme/shop")


async def test_helper_of_a_registry_has_priority(helper_log: Path) -> None:
    auths = {"ghcr.io": login("file"), "quay.io": login("file")}
    helped = credentials(auths=auths, credHelpers={"ghcr.io": "vault"})
    assert await helped.find(reference("ghcr.io")) == ROBOT
    assert await helped.find(reference("quay.io")) == Login("file", "canary")
    assert await helped.find(reference("docker.io")) is None
    assert servers(helper_log) == ["ghcr.io "], "the helper does not see the bot's settings"


async def test_store_is_used_for_registries_without_an_entry(helper_log: Path) -> None:
    stored = credentials(auths={"ghcr.io": {}, "quay.io": login("file")}, credsStore="vault")
    assert await stored.find(reference("ghcr.io")) == ROBOT
    assert await stored.find(reference("quay.io")) == Login("file", "canary")
    assert await stored.find(reference("docker.io")) == IdentityToken("refresh")
    assert await stored.find(reference("unknown.io")) is None


async def test_helper_is_asked_again_after_a_rejection(helper_log: Path) -> None:
    stored = credentials(credsStore="vault")
    for _ in range(3):
        await stored.find(reference("ghcr.io"))
    assert len(servers(helper_log)) == 1
    stored.forget(reference("ghcr.io"))
    await stored.find(reference("ghcr.io"))
    assert len(servers(helper_log)) == 2


@pytest.mark.parametrize(("registry", "reason"), [("broken.io", "printed no"), ("failing.io", "exit 2")])
async def test_failing_helper_is_reported_without_its_output(
    helper_log: Path, registry: str, reason: str
) -> None:
    with pytest.raises(Unavailable, match=reason) as caught:
        await credentials(credsStore="vault").find(reference(registry))
    assert "canary" not in str(caught.value)


async def test_hanging_helper_is_stopped(helper_log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.registry.credential_helper._SECONDS", 0.2)
    (helper_log.parent / "docker-credential-vault").write_text("#!/bin/sh\nsleep 60\n")
    stored = credentials(credsStore="vault")
    with pytest.raises(Unavailable, match="did not finish"):
        await stored.find(reference("ghcr.io"))
    (helper_log.parent / "docker-credential-vault").unlink()
    with pytest.raises(Unavailable, match="could not be started"):
        await stored.find(reference("ghcr.io"))
