"""`greenroom doctor` against an embedded GitHub and registry: what is well, what is not, and what to do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.doctor import run_all_checks
from bot.embedded.github.core import GitHub
from bot.embedded.github.server import GitHubServer
from bot.embedded.samples.commits import helm_shop_files, shop_files
from tests.unit.cli.runner import greenroom

Environment = dict[str, str]
Doctor = Callable[[Environment], dict[str, tuple[str, str]]]


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    with GitHubServer() as server:
        server.accounts.create_user("ada")
        server.accounts.create_organization("acme", admins=("ada",))
        server.repositories.create("acme/shop", shop_files())
        server.apps.install("acme", by="ada")
        server.apps.app.hook_url = "https://greenroom.example.com/webhooks"
        yield server


@pytest.fixture
def environment(github: GitHubServer, tmp_path: Path) -> Environment:
    return {
        "GREENROOM_GITHUB_API_URL": github.api_url,
        "GREENROOM_GITHUB_APP_ID": str(github.credentials.app_id),
        "GREENROOM_GITHUB_PRIVATE_KEY": github.credentials.private_key,
        "GREENROOM_WEBHOOK_SECRET": github.credentials.webhook_secret,
        "GREENROOM_PUBLIC_URL": "https://greenroom.example.com",
        "GREENROOM_BASE_DOMAIN": "http://preview.localhost:8080",
        "GREENROOM_GATEWAY": "gateways/public",
        "GREENROOM_DATABASE_URL": f"sqlite:///{tmp_path}/greenroom.db",
    }


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """State and words by name, as a process with this environment finds them."""

    def ask(environment: Environment) -> dict[str, tuple[str, str]]:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("GREENROOM_")]:
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            return {finding.name: (finding.state.value, finding.message) for finding in run_all_checks()}

    return ask


def test_the_github_side_of_a_sound_set_up_is_well(doctor: Doctor, environment: Environment) -> None:
    assert greenroom("migrate", **environment).stdout == "The database is up to date.\n"
    findings = doctor(environment)
    assert findings["settings"] == ("passed", "complete")
    assert findings["database"][0] == "passed"
    assert findings["GitHub App"] == ("passed", "signed in as Greenroom")
    assert findings["permissions"][0] == "passed"
    assert findings["webhook"] == (
        "passed",
        "GitHub sends deliveries to https://greenroom.example.com/webhooks",
    )


def test_missing_settings_are_all_that_is_told(doctor: Doctor) -> None:
    findings = doctor({})
    assert list(findings) == ["settings"]


def test_a_database_that_is_not_there_is_told_how_to_make_it_and_not_made(
    doctor: Doctor, environment: Environment, tmp_path: Path
) -> None:
    findings = doctor(environment)
    assert "greenroom migrate" in findings["database"][1]
    assert not list(tmp_path.iterdir())


def test_a_database_without_tables_is_told_how_to_make_them(
    doctor: Doctor, environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "greenroom.db").touch()
    findings = doctor(environment)
    assert "greenroom migrate" in findings["database"][1]


def test_a_wrong_app_id_or_key_is_one_failure_and_the_rest_is_skipped(
    doctor: Doctor, environment: Environment
) -> None:
    findings = doctor({**environment, "GREENROOM_GITHUB_APP_ID": "1"})
    state, told = findings["GitHub App"]
    assert state == "failed"
    assert "GREENROOM_GITHUB_APP_ID" in told
    other = GitHub().credentials
    told = doctor({**environment, "GREENROOM_GITHUB_PRIVATE_KEY": other.private_key})["GitHub App"][1]
    assert "Is the private key this App's?" in told
    assert findings["permissions"] == findings["webhook"] == ("skipped", "GitHub App comes first")


def test_a_missing_permission_and_a_missing_event_are_named(
    doctor: Doctor, github: GitHubServer, environment: Environment
) -> None:
    github.apps.set_permissions({**github.apps.app.permissions, "checks": "read"}, events=("push",))
    findings = doctor(environment)
    state, told = findings["permissions"]
    assert state == "failed"
    assert "The App lacks the permission checks: write" in told
    assert "The App is not told of the event pull_request" in told


def test_an_app_that_is_not_installed_is_told_where_to_install_it(
    doctor: Doctor, github: GitHubServer, environment: Environment
) -> None:
    (installation,) = github.world.state.installations.values()
    github.apps.uninstall(installation.id, by="ada")
    findings = doctor(environment)
    assert "not installed anywhere" in findings["permissions"][1]


def test_a_webhook_that_goes_elsewhere_is_told_where_it_should_go(
    doctor: Doctor, github: GitHubServer, environment: Environment
) -> None:
    github.apps.app.hook_url = "https://old.example.com/hook"
    findings = doctor(environment)
    state, told = findings["webhook"]
    assert state == "failed"
    assert "https://old.example.com/hook" in told
    assert "https://greenroom.example.com/webhooks" in told


def test_a_program_that_manifests_need_is_missed_only_where_it_is_needed(
    doctor: Doctor, github: GitHubServer, environment: Environment, tmp_path: Path
) -> None:
    bare = {**environment, "PATH": str(tmp_path)}
    assert doctor(bare)["manifests"][0] == "passed"
    github.repositories.push("acme/shop", "main", helm_shop_files(), by="ada")
    state, told = doctor(bare)["manifests"]
    assert state == "failed"
    assert told == "helm is not on the PATH, and acme/shop needs it: add it to the bot's image."
    (tmp_path / "helm").write_text(f"#!{sys.executable}\nprint('v4.3.1')\n")
    (tmp_path / "helm").chmod(0o755)
    assert doctor(bare)["manifests"] == ("passed", "kustomize is not there, and nobody needs it; helm v4.3.1")


def test_a_github_that_does_not_answer_is_told_in_a_sentence(
    doctor: Doctor, environment: Environment
) -> None:
    findings = doctor({**environment, "GREENROOM_GITHUB_API_URL": "http://127.0.0.1:9"})
    assert findings["GitHub App"][0] == "failed"


def test_a_script_gets_json(environment: Environment) -> None:
    done = greenroom("doctor", "--json", **environment)
    assert done.exit_code == 1
    first = json.loads(done.stdout)[0]
    assert first == {"name": "settings", "state": "passed", "message": "complete"}


def test_a_person_gets_a_table(environment: Environment) -> None:
    shown = greenroom("doctor", **{**environment, "GREENROOM_GITHUB_APP_ID": "1"})
    assert shown.exit_code == 1
    assert "failed   GitHub App" in shown.stdout
    assert environment["GREENROOM_WEBHOOK_SECRET"] not in shown.stdout + shown.stderr
