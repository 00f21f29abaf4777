"""Which repositories have modules that another one may run, and the commits of their tags."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.embedded.github.state.records import Repository as Record
from bot.github.resources.modules import ModuleRepositories
from bot.model.errors import Rejected
from tests.contract.github_harness import GitHubHarness, shop_harness

MODULE = {"shop/main.tf": "# a module"}


@pytest.fixture
async def harness() -> AsyncIterator[GitHubHarness]:
    async with shop_harness() as harness:
        harness.github.accounts.create_organization("elsewhere")
        yield harness


def created(harness: GitHubHarness, name: str, *, private: bool = True) -> Record:
    return harness.github.repositories.create(name, MODULE, by="ben", private=private)


def modules(harness: GitHubHarness, *allowed: str) -> ModuleRepositories:
    return ModuleRepositories(harness.app.client, harness.app.commits, allowed)


async def test_only_allowed_repositories_have_modules(harness: GitHubHarness) -> None:
    created(harness, "acme/modules")
    reader = modules(harness)
    other = await reader.find(harness.repository, "Acme/Modules")
    assert (other.full_name, other.installation_id) == ("acme/modules", harness.repository.installation_id)
    files = await harness.app.contents.files(other, await harness_head(harness), {"shop"})
    assert files["shop/main.tf"] == b"# a module"
    with pytest.raises(Rejected, match="not installed in acme/absent"):
        await reader.find(harness.repository, "acme/absent")
    created(harness, "elsewhere/modules", private=False)
    created(harness, "elsewhere/hidden")
    with pytest.raises(Rejected, match="GREENROOM_TERRAFORM_MODULE_REPOSITORIES"):
        await reader.find(harness.repository, "elsewhere/modules")
    reader = modules(harness, "elsewhere/*")
    assert (await reader.find(harness.repository, "elsewhere/modules")).full_name == "elsewhere/modules"
    with pytest.raises(Rejected, match="cannot see elsewhere/hidden"):
        await reader.find(harness.repository, "elsewhere/hidden")


async def harness_head(harness: GitHubHarness) -> str:
    record = harness.github.world.repository("acme/modules")
    return record.branches[record.default_branch]


async def test_repository_that_was_transferred_is_checked_again(harness: GitHubHarness) -> None:
    created(harness, "acme/modules")
    created(harness, "elsewhere/other")
    harness.github.repositories.transfer("acme/modules", "elsewhere", by="ben")
    with pytest.raises(Rejected):
        await modules(harness).find(harness.repository, "acme/modules")


@pytest.mark.parametrize("message", [None, "an annotated one"])
async def test_tag_is_resolved_to_its_commit(harness: GitHubHarness, message: str | None) -> None:
    created(harness, "acme/modules")
    reader = modules(harness)
    other = await reader.find(harness.repository, "acme/modules")
    head = await harness_head(harness)
    harness.github.repositories.tag("acme/modules", "v1.0.0", by="ben", message=message)
    assert await reader.tagged(other, "v1.0.0") == head
    for ref in ("main", "v2"):
        with pytest.raises(Rejected, match=f"acme/modules has no tag {ref}"):
            await reader.tagged(other, ref)
