"""Automatic promotions: after a merge, after a push, and while the configuration changes."""

from __future__ import annotations

import pytest

from bot.model.release import Origin
from tests.story.conftest import Scenario, real_only
from tests.story.stages import staged

pytestmark = pytest.mark.long

AUTOMATIC = """
stages:
  integration: {automatic: true}
  security: {automatic: true, ephemeral: true, checks: [{http: /}]}
  staging: {automatic: true, after: [integration, security]}
"""


@pytest.mark.parametrize(
    "method", ["squash", *(pytest.param(method, marks=pytest.mark.fault) for method in ("merge", "rebase"))]
)
async def test_merge_with_equal_content_is_promoted_automatically(small: Scenario, method: str) -> None:
    async with staged(small, AUTOMATIC) as stages:
        number = await stages.open("feature", "Merged.")
        seen = await stages.preview_digests(number)
        await stages.merge(number, method)
        comment = await stages.comment_with(number, "✅ Release", "**staging**")
        assert all(digest in comment for digest in seen)
        await stages.comment_with(number, "**integration**", "has the content that reviewers saw")
        assert await stages.digests("staging") == seen
        assert (await stages.page("staging")).text == "Merged."
        await stages.leaves("security")


@real_only
@pytest.mark.parametrize(
    "method", ["merge", *(pytest.param(method, marks=pytest.mark.fault) for method in ("squash", "rebase"))]
)
async def test_changed_merge_promotes_the_default_branch_build(small: Scenario, method: str) -> None:
    async with staged(small, "\nstages:\n  integration: {automatic: true}\n") as stages:
        number = await stages.open("feature", "Ours.")
        await small.push("main", {**await stages.files("Hello."), "NOTES": b"a change by another author\n"})
        merge = await stages.merge(number, method)
        comment = await stages.comment_with(number, "✅ Release", "merging changed the content")
        assert merge[:7] in comment
        target = (await stages.record("integration")).target
        assert target is not None
        assert (target.release.commit, target.release.origin) == (merge, Origin.DEFAULT_BRANCH)


@real_only
async def test_direct_push_is_promoted_automatically(small: Scenario) -> None:
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
        await small.wait_until_ready(number)
        merge = await stages.merge(number, "squash")
        await stages.comment_with(
            number, "✅ Release", "**integration**", f"{merge[:7]} on main has the content"
        )
        promoted = [
            promotion for promotion in await stages.promotions("integration") if promotion.commit == merge
        ]
        assert len(promoted) == 1


async def test_push_without_delivery_is_promoted_once(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  integration: {automatic: true}\n") as stages:
        await stages.verified("integration", stages.head())
        small.github.faults.add("drop", times=1, event="push")
        pushed = await small.push("main", await stages.files("Unheard of."))
        await small.delivered()
        await small.bot.kill()
        await small.bot.start()  # looks at everything soon after its start
        await stages.verified("integration", pushed)
        assert (
            len(
                [
                    promotion
                    for promotion in await stages.promotions("integration")
                    if promotion.commit == pushed
                ]
            )
            == 1
        )


async def test_configuration_change_voids_an_approval(small: Scenario) -> None:
    pipeline = "\nstages:\n  staging: {approvals: {count: 2}, config: {COLOUR: blue}}\n"
    async with staged(small, pipeline) as stages:
        number = await small.open("one", small.hello("One."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote staging", by="bea")
        await stages.comment_with(number, "✋ Release")
        await stages.comment(number, "/approve staging", by="cem")
        await stages.comment_with(number, "✋ Release", "Approved so far: cem")
        await stages.configure(pipeline.replace("blue", "red"))
        comment = await stages.comment_with(number, "✋ Release", "a new approval is required")
        assert "Approved so far" not in comment
        await stages.comment(number, "/reject staging not like this", by="cem")
        await stages.comment_with(number, "⛔ The promotion to", "rejected by cem: not like this")
