"""`greenroom doctor` against an embedded GitHub and registry."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from bot.doctor import run_all_checks
from bot.doctor.checks import CheckFailed
from bot.doctor.values import check_sign_in, check_webhook_secrets
from bot.embedded.github.credentials import new_credentials
from bot.embedded.github.server import GitHubServer
from bot.embedded.samples import helm_shop_files, shop_files
from tests.unit.cli.runner import greenroom
from tests.unit.cli.settings import doctor_settings

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
    """Runs the checks with these environment variables; returns state and message by name."""

    def run(environment: Environment) -> dict[str, tuple[str, str]]:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("GREENROOM_")]:
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            return {finding.name: (finding.state.value, finding.message) for finding in run_all_checks()}

    return run


def test_valid_github_settings_pass(doctor: Doctor, environment: Environment) -> None:
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


def test_mistyped_setting_is_reported(doctor: Doctor, environment: Environment) -> None:
    assert doctor(environment)["variables"] == ("passed", "all are settings")
    state, message = doctor({**environment, "GREENROOM_DEFAULT_TLL": "1h"})["variables"]
    assert (state, message) == (
        "failed",
        "GREENROOM_DEFAULT_TLL is not a setting. Did you mean GREENROOM_DEFAULT_TTL?",
    )


@pytest.mark.parametrize("secret", ["x", "a well kept secret", "abcabc" * 10])
def test_weak_webhook_secret_is_reported(secret: str) -> None:
    strong = "f7c3a1d92b8e4560f7c3a1d92b8e4560"
    assert check_webhook_secrets(doctor_settings(webhook_secret=strong)) == "not easily guessed"
    for names in ({"webhook_secret": secret}, {"webhook_secret": strong, "webhook_secret_previous": secret}):
        with pytest.raises(CheckFailed) as caught:
            check_webhook_secrets(doctor_settings(**names))
        assert "openssl rand -hex 32" in str(caught.value)
        assert secret not in str(caught.value).split()


def test_sign_in_needs_both_credentials() -> None:
    assert "not served until GREENROOM_GITHUB_CLIENT_ID and" in check_sign_in(doctor_settings())
    both = doctor_settings(github_client_id="Iv1", github_client_secret="secret")
    assert check_sign_in(both) == "users sign in with GitHub"
    with pytest.raises(CheckFailed, match="GREENROOM_GITHUB_CLIENT_SECRET is not set"):
        check_sign_in(doctor_settings(github_client_id="Iv1"))
    with pytest.raises(CheckFailed, match="GREENROOM_GITHUB_CLIENT_ID is not set"):
        check_sign_in(doctor_settings(github_client_secret="secret"))


def test_missing_settings_are_the_only_finding(doctor: Doctor) -> None:
    findings = doctor({})
    assert list(findings) == ["settings"]


def test_mistake_in_a_file_of_providers_is_reported(
    doctor: Doctor, environment: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "metrics.yaml"
    file.write_text("version: 1\nprovider: {}\n")
    findings = doctor({**environment, "GREENROOM_METRICS_PROVIDERS": str(file)})
    problem = f"GREENROOM_METRICS_PROVIDERS is invalid: {file}, line 2, provider: unknown field"
    assert findings == {"settings": ("failed", problem)}


def test_missing_database_is_reported_and_not_created(
    doctor: Doctor, environment: Environment, tmp_path: Path
) -> None:
    findings = doctor(environment)
    assert "greenroom migrate" in findings["database"][1]
    assert not list(tmp_path.iterdir())


def test_database_without_tables_is_reported(
    doctor: Doctor, environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "greenroom.db").touch()
    findings = doctor(environment)
    assert "greenroom migrate" in findings["database"][1]


def test_wrong_app_id_or_key_skips_the_other_checks(doctor: Doctor, environment: Environment) -> None:
    findings = doctor({**environment, "GREENROOM_GITHUB_APP_ID": "1"})
    state, message = findings["GitHub App"]
    assert state == "failed"
    assert "GREENROOM_GITHUB_APP_ID" in message
    other = new_credentials("other")
    message = doctor({**environment, "GREENROOM_GITHUB_PRIVATE_KEY": other.private_key})["GitHub App"][1]
    assert "Generate a new private key" in message
    assert (
        findings["permissions"]
        == findings["webhook"]
        == (
            "skipped",
            "skipped: fix the check 'GitHub App' first",
        )
    )


def test_missing_permission_and_event_are_named(
    doctor: Doctor, github: GitHubServer, environment: Environment
) -> None:
    github.apps.set_permissions({**github.apps.app.permissions, "checks": "read"}, events=("push",))
    findings = doctor(environment)
    state, message = findings["permissions"]
    assert state == "failed"
    assert "The App lacks the permission checks: write" in message
    assert "The App is not subscribed to the event pull_request" in message


def test_app_without_installation_is_reported(
    doctor: Doctor, github: GitHubServer, environment: Environment
) -> None:
    (installation,) = github.world.state.installations.values()
    github.apps.uninstall(installation.id, by="ada")
    findings = doctor(environment)
    assert "The App is not installed" in findings["permissions"][1]


def test_wrong_webhook_url_is_reported(
    doctor: Doctor, github: GitHubServer, environment: Environment
) -> None:
    github.apps.app.hook_url = "https://old.example.com/hook"
    findings = doctor(environment)
    state, message = findings["webhook"]
    assert state == "failed"
    assert "https://old.example.com/hook" in message
    assert "https://greenroom.example.com/webhooks" in message


def test_missing_tool_fails_only_if_used(
    doctor: Doctor, github: GitHubServer, environment: Environment, tmp_path: Path
) -> None:
    bare = {**environment, "PATH": str(tmp_path)}
    assert doctor(bare)["manifests"][0] == "passed"
    github.repositories.push("acme/shop", "main", helm_shop_files(), by="ada")
    state, message = doctor(bare)["manifests"]
    assert state == "failed"
    assert message == "helm is not installed, but acme/shop uses it. Add it to the bot's image."
    (tmp_path / "helm").write_text(f"#!{sys.executable}\nprint('v4.3.1')\n")
    (tmp_path / "helm").chmod(0o755)
    assert doctor(bare)["manifests"] == ("passed", "kustomize: not installed (not needed); helm v4.3.1")


def test_unavailable_github_is_reported(doctor: Doctor, environment: Environment) -> None:
    findings = doctor({**environment, "GREENROOM_GITHUB_API_URL": "http://127.0.0.1:9"})
    state, message = findings["GitHub App"]
    assert state == "failed"
    assert message.startswith(
        "GitHub cannot be reached: nothing listens at 127.0.0.1:9 (connection refused). "
        "Correct GREENROOM_GITHUB_API_URL"
    )


@pytest.fixture
def gateway_port() -> Iterator[int]:
    """Port of a gateway that answers 404."""
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("kubeconfig", ["", "a text of another format", '{"kind": "Config"}'])
def test_unusable_kubeconfig_fails_one_check_and_skips_those_that_need_it(
    doctor: Doctor, environment: Environment, tmp_path: Path, gateway_port: int, kubeconfig: str
) -> None:
    """The same holds behind a gateway that answers, through which an environment would be requested."""
    (tmp_path / "kubeconfig").write_text(kubeconfig)
    settings = {
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "GREENROOM_BASE_DOMAIN": f"http://preview.localhost:{gateway_port}",
    }
    findings = doctor({**environment, **settings})
    assert findings["base domain"][0] == "passed", findings["base domain"]
    assert "KUBECONFIG" in findings["cluster"][1]
    assert findings["traffic"] == ("skipped", "skipped: fix the check 'cluster' first")
    assert not any("bug" in message for _, message in findings.values())


def test_unusable_database_is_reported_once(doctor: Doctor, environment: Environment) -> None:
    url = "postgresql://bot:secret@127.0.0.1:9/greenroom"
    findings = doctor({**environment, "GREENROOM_DATABASE_URL": url})
    assert "cannot be reached" in findings["database"][1]
    assert findings["active store"] == ("skipped", "skipped: fix the check 'database' first")


def test_each_cluster_is_checked_under_its_name(
    doctor: Doctor, environment: Environment, tmp_path: Path
) -> None:
    kubeconfig, clusters = tmp_path / "west", tmp_path / "clusters.yaml"
    kubeconfig.write_text(
        """
apiVersion: v1
kind: Config
clusters: [{name: west, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: bot, user: {token: secret}}]
contexts: [{name: west, context: {cluster: west, user: bot}}]
current-context: west
"""
    )
    clusters.write_text(
        f"""
clusters:
  - {{name: main, default: true, kubeconfig: {kubeconfig}}}
  - {{name: west, kubeconfig: {kubeconfig}, gateway: gateways/west, base_domain: "http://west.localhost:9"}}
"""
    )
    findings = doctor({**environment, "GREENROOM_CLUSTERS": str(clusters)})
    for name in ("main", "west"):
        assert findings[f"{name}: cluster"][0] == "failed"
        assert "127.0.0.1:9" in findings[f"{name}: cluster"][1]
        assert findings[f"{name}: rights"][0] == "skipped"
    assert "http://west.localhost:9" in findings["west: base domain"][1]
    assert "cluster" not in findings


def test_findings_as_json(environment: Environment) -> None:
    result = greenroom("doctor", "--json", **environment)
    assert result.exit_code == 1
    first = json.loads(result.stdout)[0]
    assert first == {"name": "settings", "state": "passed", "message": "complete"}


def test_findings_as_table(environment: Environment) -> None:
    result = greenroom("doctor", **{**environment, "GREENROOM_GITHUB_APP_ID": "1"})
    assert result.exit_code == 1
    assert "failed   GitHub App" in result.stdout
    assert environment["GREENROOM_WEBHOOK_SECRET"] not in result.stdout + result.stderr
