"""Long, unusual, equal and occupied names of repositories, branches and namespaces."""

from __future__ import annotations

import pytest

from bot.cluster.client.kinds import NAMESPACE
from tests.story.conftest import Scenario, Site, new_scenario, real_only

pytestmark = real_only

LONGEST = "a-Very_long.name-for-a-shop" * 3 + "-of-100-characters1"
"""GitHub's maximum length of a repository's name."""


async def test_repositories_of_one_name_get_separate_namespaces(small: Scenario, site: Site) -> None:
    async with new_scenario(site) as other:
        await other.create(other.hello())
        ours = await small.open("spring", small.hello("Ours."))
        theirs = await other.open("spring", other.hello("Theirs."))
        assert ours == theirs
        await small.wait_until_ready(ours)
        await other.wait_until_ready(theirs)
        assert (await small.page(ours)).text == "Ours."
        assert (await other.page(theirs)).text == "Theirs."
        await small.close(ours)
        await small.no_namespace()
        assert (await other.page(theirs)).text == "Theirs."
        other.assert_reported_once(theirs)


@pytest.mark.parametrize(
    "branch", [f"{'über/' * 39}größe-🎉", "feature/#7-50%-off?&=+ and more", "heads/main"]
)
async def test_branch_with_any_name_gets_a_preview(small: Scenario, branch: str) -> None:
    number = await small.open(branch, small.hello(branch))
    await small.wait_until_ready(number)
    assert (await small.page(number)).text == branch


async def test_longest_repository_name_fits(site: Site) -> None:
    assert len(LONGEST) == 100
    async with new_scenario(site, LONGEST) as scenario:
        await scenario.create(scenario.hello())
        number = await scenario.open("x" * 200, scenario.hello("Long."))
        await scenario.wait_until_ready(number)
        assert (await scenario.page(number)).text == "Long."


async def test_foreign_namespace_is_reported_and_not_changed(small: Scenario) -> None:
    name = small.namespace(1)
    labels = {"app.kubernetes.io/managed-by": "somebody-else"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    await small.world.client.create(NAMESPACE, body)
    try:
        number = await small.open("spring", small.hello("Spring."))
        await small.comment_with(number, "failed", "exists but does not belong to this environment")
        await small.close(number)
        await small.comment_with(number, "The preview was deleted")
        namespace = await small.world.client.find(NAMESPACE, name)
        assert namespace is not None
        assert "deletionTimestamp" not in namespace["metadata"]
        assert labels.items() <= namespace["metadata"]["labels"].items()
    finally:
        await small.world.client.delete(NAMESPACE, name)
