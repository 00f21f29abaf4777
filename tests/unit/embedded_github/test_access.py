"""JWTs, tokens, permissions and the repositories of an installation."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import jwt
import pytest
import yaml

from bot.embedded.github import GitHubServer, new_credentials
from tests.unit.embedded_github.conftest import Client

SHOP = "repos/acme/shop"


@pytest.mark.parametrize(
    ("claims", "status", "message"),
    [
        ({"exp": 1}, 401, "'Expiration time' claim ('exp') must be a numeric value"),
        ({"exp": 99_999_999_999}, 401, "'Expiration time' claim ('exp') is too far in the future"),
        ({"iat": 99_999_999_999}, 401, "'Issued at' claim ('iat') must be an Integer"),
        ({"iss": "1"}, 404, "Integration not found"),
    ],
)
def test_jwt_with_wrong_claims_is_refused(
    client: Client, claims: dict[str, object], status: int, message: str
) -> None:
    answer = client.as_app("GET", "app", token=client.jwt(**claims))
    assert answer.status_code == status
    assert answer.json()["message"].startswith(message)


def test_jwt_of_another_key_is_refused(github: GitHubServer, client: Client) -> None:
    claims = jwt.decode(client.jwt(), options={"verify_signature": False})
    forged = jwt.encode(claims, new_credentials("other").private_key, algorithm="RS256")
    answer = client.as_app("GET", "app", token=forged)
    assert (answer.status_code, answer.json()["message"]) == (401, "A JSON web token could not be decoded")


def test_credentials_are_required(github: GitHubServer, client: Client) -> None:
    assert client.http.get(SHOP, headers={"Authorization": ""}).status_code == 401
    answer = client.as_app("GET", SHOP, token="ghs_invented")
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")
    assert client.as_app("GET", "app", token=client.mint()).status_code == 401


def test_token_expires(github: GitHubServer, client: Client) -> None:
    github.settings.token_lifetime = timedelta(seconds=-1)
    assert client.as_app("GET", SHOP, token=client.mint()).status_code == 401
    assert client.get(SHOP).status_code == 200  # the older one is still valid
    github.apps.revoke_tokens()
    assert client.get(SHOP).status_code == 401


def test_token_is_limited_to_requested_rights(github: GitHubServer, client: Client) -> None:
    github.repositories.create("acme/other")
    token = client.mint(repositories=["shop"], permissions={"contents": "read"})
    assert client.as_app("GET", f"{SHOP}/contents/README.md", token=token).status_code == 200
    assert client.as_app("GET", "repos/acme/other", token=token).status_code == 404
    answer = client.as_app("GET", f"{SHOP}/pulls", token=token)
    assert (answer.status_code, answer.json()["message"]) == (403, "Resource not accessible by integration")
    assert answer.headers["x-accepted-github-permissions"] == "pull_requests=read"


def test_token_cannot_exceed_the_installation(github: GitHubServer, client: Client) -> None:
    [installation] = github.world.state.installations
    path = f"app/installations/{installation}/access_tokens"
    more = client.as_app("POST", path, json={"permissions": {"contents": "write"}})
    strange = client.as_app("POST", path, json={"repositories": ["nowhere"]})
    assert more.status_code == strange.status_code == 422
    assert "not granted to this installation" in more.json()["message"]
    assert "not accessible to the parent installation" in strange.json()["message"]


def test_repository_outside_the_installation_is_hidden(github: GitHubServer, client: Client) -> None:
    github.accounts.create_organization("elsewhere", admins=("ada",))
    github.repositories.create("elsewhere/secret")
    github.repositories.create("elsewhere/public", private=False)
    assert client.get("repos/elsewhere/secret").status_code == 404
    assert client.get("repos/elsewhere/public").status_code == 200
    refused = client.post("repos/elsewhere/public/deployments", ref="main")
    assert refused.status_code == 404


def test_suspended_or_removed_installation_gets_no_token(github: GitHubServer, client: Client) -> None:
    [installation] = github.world.state.installations
    path = f"app/installations/{installation}/access_tokens"
    github.apps.suspend(installation, by="ada")
    assert client.as_app("POST", path).json()["message"] == "This installation has been suspended"
    assert client.get(SHOP).status_code == 403
    github.apps.uninstall(installation, by="ada")
    assert client.as_app("POST", path).status_code == 404
    assert client.get(SHOP).status_code == 401


@pytest.mark.parametrize(
    ("role", "permission"),
    [("read", "read"), ("triage", "read"), ("write", "write"), ("maintain", "write"), ("admin", "admin")],
)
def test_role_has_a_legacy_permission(
    github: GitHubServer, client: Client, role: str, permission: str
) -> None:
    github.repositories.set_role("acme/shop", "ben", role)  # type: ignore[arg-type]  # a parameter is any text
    answer = client.get(f"{SHOP}/collaborators/ben/permission").json()
    assert (answer["role_name"], answer["permission"]) == (role, permission)


def test_unknown_user_is_not_found(github: GitHubServer, client: Client) -> None:
    github.accounts.create_user("eve")
    assert client.get(f"{SHOP}/collaborators/eve/permission").json()["role_name"] == "none"
    assert client.get(f"{SHOP}/collaborators/nobody-at-all/permission").status_code == 404


def test_team_membership(github: GitHubServer, client: Client) -> None:
    github.accounts.create_team("acme", "ops", ("ben",))
    assert client.get("orgs/acme/teams/ops/memberships/ben").json()["state"] == "active"
    assert client.get("orgs/acme/teams/ops/memberships/ada").status_code == 404


def test_renamed_repository_redirects(github: GitHubServer, client: Client) -> None:
    github.repositories.rename("acme/shop", "store", by="ada")
    moved = client.get(f"{SHOP}/branches/main")
    assert moved.status_code == 301
    followed = client.get(moved.headers["location"].removeprefix(github.api_url))
    assert followed.json()["name"] == "main"
    assert client.get("repos/acme/store").json()["full_name"] == "acme/store"


def test_app_asks_for_what_app_yml_declares(github: GitHubServer) -> None:
    manifest = yaml.safe_load((Path(__file__).parents[3] / "app.yml").read_text())
    installation = github.apps.install("acme", by="ada")
    assert installation.permissions == github.apps.app.permissions == manifest["default_permissions"]
    assert installation.events == github.apps.app.events == manifest["default_events"]


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "environments/production", "actions=read"),
        ("GET", "commits/main/check-runs", "checks=read"),
        ("GET", "contents/README.md", "contents=read"),
        ("POST", "deployments", "deployments=write"),
        ("POST", "issues/1/comments", "issues=write; pull_requests=write"),
        ("GET", "pulls", "pull_requests=read"),
        ("GET", "commits/main/status", "statuses=read"),
    ],
)
def test_call_without_permission_is_refused(
    github: GitHubServer, client: Client, method: str, path: str, permission: str
) -> None:
    [installation] = github.world.state.installations.values()
    for name in (part.partition("=")[0] for part in permission.split("; ")):
        installation.permissions.pop(name, None)
    client.authorize()
    answer = client.http.request(method, f"{SHOP}/{path}")
    assert (answer.status_code, answer.json()["message"]) == (403, "Resource not accessible by integration")
    assert answer.headers["x-accepted-github-permissions"] == permission
