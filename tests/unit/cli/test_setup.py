"""`greenroom setup` against an embedded GitHub and cluster; a thread takes the part of the browser."""

from __future__ import annotations

import base64
import json
import os
import stat
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from typer.testing import Result

from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import SECRET
from bot.embedded.github import GitHubServer
from bot.embedded.kubernetes import KubernetesServer
from tests.unit.cli.runner import greenroom
from tests.unit.setup.manifest_flow import register

SECRETS = ("GREENROOM_GITHUB_PRIVATE_KEY", "GREENROOM_GITHUB_CLIENT_SECRET", "GREENROOM_WEBHOOK_SECRET")
Setup = Callable[..., Result]


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    with GitHubServer() as server:
        server.accounts.create_user("ada")
        server.accounts.create_organization("acme", admins=("ada",))
        yield server


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    async with KubernetesServer() as server:
        yield server.write_kubeconfig(tmp_path / "kubeconfig")


@pytest.fixture
def setup(github: GitHubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    """Runs the command; the browser confirms as ada."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    browsers: list[threading.Thread] = []

    def open_browser(url: str) -> bool:
        browsers.append(threading.Thread(target=register, args=(url, "ada")))
        browsers[-1].start()
        return True

    monkeypatch.setattr(webbrowser, "open", open_browser)
    environment = dict(os.environ)

    def run(*arguments: str, **changed: str) -> Result:
        given = ["--organization", "acme", "--github-url", github.url, "--gateway", "gateways/public"]
        given += ["--public-url", "https://greenroom.example.com", "--base-domain", "preview.example.com"]
        return greenroom("setup", *given, *arguments, **changed)

    yield run
    for browser in browsers:
        browser.join()
    os.environ.clear()
    os.environ.update(environment)


def test_file_contains_all_settings_and_nothing_else_shows_secrets(
    setup: Setup, github: GitHubServer, tmp_path: Path
) -> None:
    result = setup("--env-file", "bot.env", "--json")
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE((tmp_path / "bot.env").stat().st_mode) == 0o600
    lines = dict(line.split("=", 1) for line in (tmp_path / "bot.env").read_text().splitlines())
    credentials = github.credentials
    assert lines["GREENROOM_GITHUB_APP_ID"] == str(credentials.app_id)
    assert lines["GREENROOM_GITHUB_CLIENT_ID"] == credentials.client_id
    assert lines["GREENROOM_GITHUB_API_URL"] == github.api_url
    assert lines["GREENROOM_WEBHOOK_SECRET"] == credentials.webhook_secret
    assert github.apps.app.owner == "acme"

    printed = json.loads(result.stdout)
    assert printed["app"] == "greenroom-acme"
    assert printed["written"] == ["bot.env"]
    states = {check["name"]: check["state"] for check in printed["checks"]}
    assert states["settings"] == states["GitHub App"] == states["webhook"] == states["sign-in"] == "passed"
    assert printed["next_steps"][0].endswith("/apps/greenroom-acme/installations/new")
    for secret in (credentials.webhook_secret, credentials.client_secret, "PRIVATE KEY"):
        assert secret not in result.output


async def test_secret_contains_the_credentials_and_the_values_the_rest(
    setup: Setup, github: GitHubServer, kubeconfig: Path, tmp_path: Path
) -> None:
    import asyncio

    result = await asyncio.to_thread(setup, "--namespace", "previews", KUBECONFIG=str(kubeconfig))
    assert result.exit_code == 0, result.output
    async with await connect(kubeconfig) as api:
        secret = await api.get(SECRET, "greenroom-secrets", "previews")
    assert set(secret["data"]) == set(SECRETS)
    key = base64.b64decode(secret["data"]["GREENROOM_GITHUB_PRIVATE_KEY"]).decode()
    assert key == github.credentials.private_key
    values = yaml.safe_load((tmp_path / "greenroom-values.yaml").read_text())["settings"]
    assert values["GREENROOM_GITHUB_APP_ID"] == str(github.credentials.app_id)
    assert set(values).isdisjoint(SECRETS)
    assert "helm upgrade --install --namespace previews" in result.output
    assert "confinement" not in result.output, "the bot's own account does not exist yet"

    again = await asyncio.to_thread(setup, "--namespace", "previews", KUBECONFIG=str(kubeconfig))
    assert again.exit_code == 2
    assert "greenroom-values.yaml exists" in again.output


def test_without_a_terminal_the_missing_options_are_named(tmp_path: Path) -> None:
    result = greenroom("setup", "--env-file", str(tmp_path / "bot.env"), "--gateway", "gateways/public")
    assert result.exit_code == 2
    assert "Set --public-url, --base-domain: there is no terminal to ask." in result.output


def test_existing_file_stops_before_the_registration(setup: Setup, tmp_path: Path) -> None:
    (tmp_path / "bot.env").write_text("mine")
    result = setup("--env-file", "bot.env")
    assert result.exit_code == 2
    assert "bot.env exists" in result.output
    assert "browser" not in result.output


def test_unreachable_cluster_stops_before_the_registration(setup: Setup, tmp_path: Path) -> None:
    result = setup(KUBECONFIG=str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert "nowhere does not exist. Correct KUBECONFIG." in result.output


def test_credentials_that_cannot_be_stored_are_kept_in_a_file(
    setup: Setup, github: GitHubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened_late(url: str) -> bool:
        (tmp_path / "bot.env").write_text("mine")  # after the check
        threading.Thread(target=register, args=(url, "ada")).start()
        return True

    monkeypatch.setattr(webbrowser, "open", opened_late)
    result = setup("--env-file", "bot.env")
    assert result.exit_code == 2
    kept = tmp_path / f"greenroom-{github.credentials.app_id}.env"
    assert f"Its credentials are in {kept.name}." in result.output
    assert github.credentials.webhook_secret in kept.read_text()
    assert (tmp_path / "bot.env").read_text() == "mine"


def test_conversion_is_given_once(github: GitHubServer) -> None:
    unknown = httpx.post(f"{github.api_url}/app-manifests/unknown/conversions", trust_env=False)
    assert unknown.status_code == 404
