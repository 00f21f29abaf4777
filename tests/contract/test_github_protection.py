"""A GitHub Environment's rules, read over HTTP; what cannot be read is never no rule."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.embedded.github import GitHubServer
from bot.github.resources.permissions import PERMISSIONS
from bot.model.errors import Rejected, Unavailable
from bot.model.protection import UNPROTECTED, Branch, Protection, Reviewers
from tests.contract.github_harness import FILES, GitHubHarness

SHOP = "acme/shop"


@pytest.fixture
async def harness() -> AsyncIterator[GitHubHarness]:
    with GitHubServer() as server:
        server.accounts.create_organization("acme")
        for login in ("ben", "eve"):
            server.accounts.create_user(login)
        server.repositories.create(SHOP, FILES)
        server.accounts.create_team("acme", "ops", ("eve",))
        server.repositories.set_role(SHOP, "ben", "write")
        server.repositories.push(SHOP, "release/2", {"price.txt": "2\n"}, by="ben")
        server.apps.set_permissions(PERMISSIONS)
        server.apps.install("acme", by="ben")
        harness = GitHubHarness(server)
        yield harness
        await harness.app.close()


async def test_protection_rules_are_read(harness: GitHubHarness) -> None:
    harness.github.environments.protect(
        SHOP, "production", people=("ben",), teams=("ops",), wait_minutes=90, branches=("main", "release/*")
    )
    assert await harness.app.protections.protection(harness.repository, "production") == Protection(
        Reviewers(("ben",), ("ops",)), timedelta(minutes=90), branches=("main", "release/*")
    )


async def test_protected_branches_and_custom_rules_are_read(harness: GitHubHarness) -> None:
    harness.github.environments.protect(SHOP, "production", protected_branches=True, apps=("github-actions",))
    protection = await harness.app.protections.protection(harness.repository, "production")
    assert protection == Protection(protected_branches=True, unsupported_rules=("of the App github-actions",))


async def test_tag_patterns_match_no_branch(harness: GitHubHarness) -> None:
    made = harness.github.environments.protect(SHOP, "production", branches=())
    harness.github.environments.admit(made, "main", "tag")
    assert (await harness.app.protections.protection(harness.repository, "production")).branches == ()


async def test_environment_without_rules_is_unprotected(harness: GitHubHarness) -> None:
    assert await harness.app.protections.protection(harness.repository, "production") == UNPROTECTED
    harness.github.environments.protect(SHOP, "production")
    assert await harness.app.protections.protection(harness.repository, "production") == UNPROTECTED


async def test_invisible_repository_or_missing_permission_is_rejected(harness: GitHubHarness) -> None:
    with pytest.raises(Rejected, match="cannot see"):
        await harness.app.protections.protection(
            replace(harness.repository, id=4711, name="elsewhere"), "production"
        )
    [installation] = harness.github.world.state.installations.values()
    installation.permissions = {**PERMISSIONS, "actions": "none"}
    await harness.restart()
    with pytest.raises(Rejected, match="actions=read"):
        await harness.app.protections.protection(harness.repository, "production")


@pytest.mark.parametrize(
    "path", ["environments/production$", "deployment-branch-policies", "_protection_rules"]
)
async def test_outage_is_not_an_absence_of_rules(harness: GitHubHarness, path: str) -> None:
    harness.github.environments.protect(SHOP, "production", branches=("main",))
    harness.github.faults.add("outage", path=path)
    with pytest.raises(Unavailable):
        await harness.app.protections.protection(harness.repository, "production")


async def test_repeated_reads_are_conditional(harness: GitHubHarness) -> None:
    harness.github.environments.protect(SHOP, "production", people=("ben",), branches=("main",))
    first = await harness.app.protections.protection(harness.repository, "production")
    harness.github.requests.clear()
    assert await harness.app.protections.protection(harness.repository, "production") == first
    assert [call.status for call in harness.github.requests.calls()] == [304, 304, 304]
    harness.github.environments.protect(SHOP, "production")
    assert await harness.app.protections.protection(harness.repository, "production") == UNPROTECTED


async def test_branches_are_read(harness: GitHubHarness) -> None:
    harness.github.repositories.protect(SHOP, "main")
    assert await harness.app.protections.branch(harness.repository, None) == Branch("main", True)
    assert await harness.app.protections.branch(harness.repository, "release/2") == Branch("release/2", False)
    assert await harness.app.protections.branch(harness.repository, "gone") == Branch("")
