"""Environments and their protection rules."""

from __future__ import annotations

from bot.embedded.github import GitHubServer
from tests.unit.embedded_github.conftest import Client

ENVIRONMENT = "repos/acme/shop/environments/production"
NAME = "acme/shop"


def test_protection_rules_are_returned(github: GitHubServer, client: Client) -> None:
    github.accounts.create_team("acme", "ops", ("ben",))
    github.environments.protect(
        NAME, "production", people=("ada",), teams=("ops",), wait_minutes=30, branches=("main",)
    )
    environment = client.get(ENVIRONMENT.replace("production", "Production")).json()
    wait, reviewers, branches = environment["protection_rules"]
    assert (wait["type"], wait["wait_timer"]) == ("wait_timer", 30)
    assert reviewers["type"] == "required_reviewers"
    assert [rule["reviewer"].get("slug") for rule in reviewers["reviewers"]] == [None, "ops"]
    assert reviewers["reviewers"][0]["reviewer"]["login"] == "ada"
    assert branches["type"] == "branch_policy"
    policy = {"protected_branches": False, "custom_branch_policies": True}
    assert environment["deployment_branch_policy"] == policy


def test_branch_policies_are_patterns(github: GitHubServer, client: Client) -> None:
    environment = github.environments.protect(NAME, "production", branches=("main",))
    github.environments.admit(environment, "v*", "tag")
    policies = client.get(f"{ENVIRONMENT}/deployment-branch-policies").json()
    names = [(policy["name"], policy["type"]) for policy in policies["branch_policies"]]
    assert (policies["total_count"], names) == (2, [("main", "branch"), ("v*", "tag")])
    github.environments.protect(NAME, "production", protected_branches=True)
    assert client.get(f"{ENVIRONMENT}/deployment-branch-policies").json()["total_count"] == 0


def test_rules_of_apps_are_listed(github: GitHubServer, client: Client) -> None:
    github.environments.protect(NAME, "production", apps=("github-actions",))
    rules = client.get(f"{ENVIRONMENT}/deployment_protection_rules").json()
    [rule] = rules["custom_deployment_protection_rules"]
    assert (rule["enabled"], rule["app"]["slug"]) == (True, "github-actions")
    assert client.get(ENVIRONMENT).json()["protection_rules"] == []


def test_unknown_environment_is_not_found(client: Client) -> None:
    assert client.get(ENVIRONMENT).status_code == 404
