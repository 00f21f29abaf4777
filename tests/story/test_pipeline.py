"""The pipeline by itself: after a merge, side by side, and through changes meanwhile."""

from __future__ import annotations

import pytest

from bot.model.release import Origin
from tests.story.conftest import Story
from tests.story.stages import staged

AUTOMATIC = """
stages:
  integration: {automatic: true}
  security: {automatic: true, ephemeral: true, checks: [{http: /}]}
  staging: {automatic: true, after: [integration, security]}
"""


@pytest.mark.parametrize(
    "method", ["squash", *(pytest.param(each, marks=pytest.mark.fault) for each in ("merge", "rebase"))]
)
async def test_what_was_merged_with_the_same_content_goes_on_by_itself(small: Story, method: str) -> None:
    async with staged(small, AUTOMATIC) as stages:
        number = await stages.open("feature", "Merged.")
        seen = await stages.preview_digests(number)
        await stages.merge(number, method)
        said = await stages.told(number, "✅ Release", "**staging**")
        assert all(digest in said for digest in seen)
        await stages.told(number, "**integration**", "has the content that reviewers saw")
        assert await stages.digests("staging") == seen
        assert (await stages.page("staging")).text == "Merged."
        await stages.leaves("security")


@pytest.mark.parametrize(
    "method", ["merge", *(pytest.param(each, marks=pytest.mark.fault) for each in ("squash", "rebase"))]
)
async def test_what_merging_changed_is_taken_from_the_default_branchs_own_build(
    small: Story, method: str
) -> None:
    async with staged(small, "\nstages:\n  integration: {automatic: true}\n") as stages:
        number = await stages.open("feature", "Ours.")
        await small.push("main", {**await stages.files("Hello."), "NOTES": b"somebody else was here\n"})
        merge = await stages.merge(number, method)
        said = await stages.told(number, "✅ Release", "merging changed the content")
        assert merge[:7] in said
        target = (await stages.record("integration")).target
        assert target is not None
        assert (target.release.commit, target.release.origin) == (merge, Origin.DEFAULT_BRANCH)


async def test_what_is_pushed_to_the_default_branch_goes_on_by_itself(small: Story) -> None:
    async with staged(small, "\nstages:\n  integration: {automatic: true}\n") as stages:
        await stages.verified("integration", stages.head())  # the push of the configuration itself
        pushed = await small.push("main", await stages.files("Straight to main."))
        record = await stages.verified("integration", pushed)
        assert record.verified[-1].target.release.origin is Origin.DEFAULT_BRANCH
        assert (await stages.page("integration")).text == "Straight to main."
        await stages.deployed("integration", "inactive", "success")
        newest = (await stages.promotions("integration"))[0]
        assert (newest.automatic, newest.number) == (True, None)

        number = await small.open("feature", await stages.files("Reviewed."))
        await small.is_ready(number)
        merge = await stages.merge(number, "squash")
        await stages.told(number, "✅ Release", "**integration**", f"{merge[:7]} on main has the content")
        of_it = [each for each in await stages.promotions("integration") if each.commit == merge]
        assert len(of_it) == 1


async def test_a_push_that_nobody_told_of_is_found_and_goes_once(small: Story) -> None:
    async with staged(small, "\nstages:\n  integration: {automatic: true}\n") as stages:
        await stages.verified("integration", stages.head())
        small.github.faults.add("drop", times=1, event="push")
        pushed = await small.push("main", await stages.files("Unheard of."))
        await small.delivered()
        await small.bot.kill()
        await small.bot.start()  # looks at everything soon after its start
        await stages.verified("integration", pushed)
        assert len([each for each in await stages.promotions("integration") if each.commit == pushed]) == 1


async def test_another_configuration_makes_an_approval_void(small: Story) -> None:
    pipeline = "\nstages:\n  staging: {approvals: {count: 2}, config: {COLOUR: blue}}\n"
    async with staged(small, pipeline) as stages:
        number = await small.open("one", small.hello("One."))
        await small.is_ready(number)
        await stages.say(number, "/promote staging", by="bea")
        await stages.told(number, "✋ Release")
        await stages.say(number, "/approve staging", by="cem")
        await stages.told(number, "✋ Release", "Approved by cem")
        await stages.configure(pipeline.replace("blue", "red"))
        said = await stages.told(number, "✋ Release", "it has to be approved again")
        assert "Approved by" not in said
        await stages.say(number, "/reject staging not like this", by="cem")
        await stages.told(number, "⛔ Nothing was promoted", "cem rejected it: not like this")
