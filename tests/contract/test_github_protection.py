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
from tests.contract.github_desk import FILES, Desk

SHOP = "acme/shop"


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
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
        desk = Desk(server)
        yield desk
        await desk.app.close()


async def test_protection_rules_are_read(desk: Desk) -> None:
    desk.github.environments.protect(
        SHOP, "production", people=("ben",), teams=("ops",), wait_minutes=90, branches=("main", "release/*")
    )
    assert await desk.app.protections.protection(desk.repository, "production") == Protection(
        Reviewers(("ben",), ("ops",)), timedelta(minutes=90), branches=("main", "release/*")
    )


async def test_protected_branches_and_custom_rules_are_read(desk: Desk) -> None:
    desk.github.environments.protect(SHOP, "production", protected_branches=True, apps=("github-actions",))
    found = await desk.app.protections.protection(desk.repository, "production")
    assert found == Protection(protected_branches=True, unsupported_rules=("of the App github-actions",))


async def test_tag_patterns_match_no_branch(desk: Desk) -> None:
    made = desk.github.environments.protect(SHOP, "production", branches=())
    desk.github.environments.admit(made, "main", "tag")
    assert (await desk.app.protections.protection(desk.repository, "production")).branches == ()


async def test_environment_without_rules_is_unprotected(desk: Desk) -> None:
    assert await desk.app.protections.protection(desk.repository, "production") == UNPROTECTED
    desk.github.environments.protect(SHOP, "production")
    assert await desk.app.protections.protection(desk.repository, "production") == UNPROTECTED


async def test_invisible_repository_or_missing_permission_is_rejected(desk: Desk) -> None:
    with pytest.raises(Rejected, match="cannot see"):
        await desk.app.protections.protection(
            replace(desk.repository, id=4711, name="elsewhere"), "production"
        )
    [installation] = desk.github.world.state.installations.values()
    installation.permissions = {**PERMISSIONS, "actions": "none"}
    await desk.restart()
    with pytest.raises(Rejected, match="actions=read"):
        await desk.app.protections.protection(desk.repository, "production")


@pytest.mark.parametrize(
    "path", ["environments/production$", "deployment-branch-policies", "_protection_rules"]
)
async def test_outage_is_not_an_absence_of_rules(desk: Desk, path: str) -> None:
    desk.github.environments.protect(SHOP, "production", branches=("main",))
    desk.github.faults.add("outage", path=path)
    with pytest.raises(Unavailable):
        await desk.app.protections.protection(desk.repository, "production")


async def test_repeated_reads_are_conditional(desk: Desk) -> None:
    desk.github.environments.protect(SHOP, "production", people=("ben",), branches=("main",))
    first = await desk.app.protections.protection(desk.repository, "production")
    desk.github.requests.clear()
    assert await desk.app.protections.protection(desk.repository, "production") == first
    assert [call.status for call in desk.github.requests.calls()] == [304, 304, 304]
    desk.github.environments.protect(SHOP, "production")
    assert await desk.app.protections.protection(desk.repository, "production") == UNPROTECTED


async def test_branches_are_read(desk: Desk) -> None:
    desk.github.repositories.protect(SHOP, "main")
    assert await desk.app.protections.branch(desk.repository, None) == Branch("main", True)
    assert await desk.app.protections.branch(desk.repository, "release/2") == Branch("release/2", False)
    assert await desk.app.protections.branch(desk.repository, "gone") == Branch("")
