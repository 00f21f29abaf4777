"""Environments: made by deployments or by hand, with GitHub's rules and limits."""

from __future__ import annotations

import pytest

from bot.embedded.github import GitHubServer
from bot.embedded.github.errors import GitHubError
from tests.unit.embedded_github.conftest import Client

SHOP = "repos/acme/shop"
NAME = "acme/shop"


@pytest.fixture(autouse=True)
def administrator(github: GitHubServer, client: Client) -> None:
    """Apps are rarely allowed to change environments; this one is."""
    [installation] = github.world.state.installations.values()
    installation.permissions["administration"] = "write"
    client.authorize()


def test_rules_are_put_and_told(github: GitHubServer, client: Client) -> None:
    ada, team = github.world.account("ada"), github.accounts.create_team("acme", "ops", ("ben",))
    wanted = {
        "wait_timer": 30,
        "prevent_self_review": True,
        "reviewers": [{"type": "User", "id": ada.id}, {"type": "Team", "id": team.id}],
        "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
    }
    made = client.http.put(f"{SHOP}/environments/production", json=wanted)
    assert made.status_code == 200, made.text
    found = client.get(f"{SHOP}/environments/Production").json()
    assert found == made.json()
    waits, reviewers, branches = found["protection_rules"]
    assert (waits["type"], waits["wait_timer"]) == ("wait_timer", 30)
    assert (reviewers["type"], reviewers["prevent_self_review"]) == ("required_reviewers", True)
    named = [(each["type"], each["reviewer"].get("slug")) for each in reviewers["reviewers"]]
    assert named == [("User", None), ("Team", "ops")]
    assert reviewers["reviewers"][0]["reviewer"]["login"] == "ada"
    assert branches["type"] == "branch_policy"
    assert found["deployment_branch_policy"] == wanted["deployment_branch_policy"]


def test_custom_branches_are_patterns(github: GitHubServer, client: Client) -> None:
    path = f"{SHOP}/environments/production/deployment-branch-policies"
    github.environments.protect(NAME, "production", branches=("main",))
    assert client.post(path, name="v*", type="tag").json()["type"] == "tag"
    assert client.post(path, name="main").status_code == 303
    listed = client.get(path).json()
    assert (listed["total_count"], [each["name"] for each in listed["branch_policies"]]) == (
        2,
        ["main", "v*"],
    )
    github.environments.protect(NAME, "production", protected_branches=True)
    assert client.post(path, name="v*").status_code == 404
    assert client.get(path).json()["total_count"] == 0


def test_apps_with_rules_of_their_own_are_listed(github: GitHubServer, client: Client) -> None:
    github.environments.protect(NAME, "production", apps=("github-actions",))
    found = client.get(f"{SHOP}/environments/production/deployment_protection_rules").json()
    [rule] = found["custom_deployment_protection_rules"]
    assert (rule["enabled"], rule["app"]["slug"]) == (True, "github-actions")
    assert client.get(f"{SHOP}/environments/production").json()["protection_rules"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"wait_timer": 43_201},
        {"wait_timer": "soon"},
        {"reviewers": [{"type": "User", "id": 4711}]},
        {"reviewers": [{"type": "Team", "id": 4711}]},
        {"deployment_branch_policy": {"protected_branches": True, "custom_branch_policies": True}},
        {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": False}},
    ],
)
def test_what_github_does_not_take_is_refused(client: Client, body: dict[str, object]) -> None:
    assert client.http.put(f"{SHOP}/environments/production", json=body).status_code == 422
    assert client.get(f"{SHOP}/environments/production").status_code == 404


def test_at_most_six_may_review_and_they_can_read_the_repository(github: GitHubServer) -> None:
    names = [f"p{number}" for number in range(7)]
    for name in names:
        github.accounts.create_user(name)
    with pytest.raises(GitHubError):
        github.environments.protect(NAME, "production", people=names[:1])
    for name in names:
        github.repositories.set_role(NAME, name, "read")
    with pytest.raises(GitHubError):
        github.environments.protect(NAME, "production", people=names)
    github.environments.protect(NAME, "production", people=names[:6])


def test_an_environment_goes_with_its_rules(github: GitHubServer, client: Client) -> None:
    github.environments.protect(NAME, "production", wait_minutes=5)
    assert client.delete(f"{SHOP}/environments/production").status_code == 204
    assert client.get(f"{SHOP}/environments/production").status_code == 404
    assert client.get(f"{SHOP}/environments").json()["total_count"] == 0
