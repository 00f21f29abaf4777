"""Names as long and as strange as GitHub allows, twice the same, or taken by somebody else."""

from __future__ import annotations

import pytest

from bot.embedded.client.resources import NAMESPACES
from tests.story.conftest import Site, Story, told

LONGEST = "a-Very_long.name-for-a-shop" * 3 + "-of-100-characters1"
"""GitHub allows a repository no more."""


async def test_two_repositories_of_one_name_in_two_organisations_do_not_meet(
    small: Story, site: Site
) -> None:
    async with told(site) as other:
        await other.create(other.hello())
        ours = await small.open("spring", small.hello("Ours."))
        theirs = await other.open("spring", other.hello("Theirs."))
        assert ours == theirs
        await small.is_ready(ours)
        await other.is_ready(theirs)
        assert (await small.page(ours)).text == "Ours."
        assert (await other.page(theirs)).text == "Theirs."
        await small.close(ours)
        await small.no_namespace()
        assert (await other.page(theirs)).text == "Theirs."
        other.said_once(theirs)


@pytest.mark.parametrize(
    "branch", [f"{'über/' * 39}größe-🎉", "feature/#7-50%-off?&=+ and more", "heads/main"]
)
async def test_a_branch_may_be_called_anything(small: Story, branch: str) -> None:
    number = await small.open(branch, small.hello(branch))
    await small.is_ready(number)
    assert (await small.page(number)).text == branch


async def test_the_longest_name_of_a_repository_fits(site: Site) -> None:
    assert len(LONGEST) == 100
    async with told(site, LONGEST) as story:
        await story.create(story.hello())
        number = await story.open("x" * 200, story.hello("Long."))
        await story.is_ready(number)
        assert (await story.page(number)).text == "Long."


async def test_a_namespace_of_the_same_name_that_is_not_ours_is_left_alone_and_told(small: Story) -> None:
    name = small.namespace(1)
    labels = {"app.kubernetes.io/managed-by": "somebody-else"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    await small.world.client.create(NAMESPACES, body)
    try:
        number = await small.open("spring", small.hello("Spring."))
        await small.comment_says(number, "failed", "was not made for this environment, so it is left alone")
        await small.close(number)
        await small.comment_says(number, "The preview is gone")
        found = await small.world.client.find(NAMESPACES, name)
        assert found is not None
        assert "deletionTimestamp" not in found["metadata"]
        assert labels.items() <= found["metadata"]["labels"].items()
    finally:
        await small.world.client.delete(NAMESPACES, name)
