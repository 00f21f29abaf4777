"""Promotions: the artifact that reviewers saw is deployed to every stage."""

from __future__ import annotations

import json

import pytest

from bot.model.promotion import PromotionState as State
from tests.story.conftest import Scenario, also_on_node, real_only
from tests.story.stages import staged

PIPELINE = """
stages:
  integration: {checks: [{http: /}]}
  security: {}
  staging: {after: [integration, security], config: {COLOUR: blue}, checks: [{http: /}]}
  production: {after: [staging], protected: true, approvals: {count: 1}}
"""


@also_on_node
async def test_reviewed_release_is_promoted_to_production(small: Scenario) -> None:
    async with staged(small, PIPELINE) as stages:
        number = await small.open("spring", small.hello("Spring."))
        await small.wait_until_ready(number)
        seen = await stages.preview_digests(number)

        await stages.comment(number, "/promote staging", by="dora")
        await stages.comment_with(number, "🚫", "requires the role `write`")
        await stages.comment(number, "/promote staging")
        await stages.comment_with(number, "⛔", "must pass integration and security first")

        await stages.comment(number, "/promote integration")
        await stages.comment(number, "/promote security", by="bea")
        await stages.comment_with(number, "✅ Release", "**integration**")
        await stages.comment_with(number, "✅ Release", "**security**")
        await stages.comment(number, "/promote staging")
        comment = await stages.comment_with(number, "✅ Release", "**staging**")
        assert all(digest in comment for digest in seen)
        assert await stages.digests("staging") == seen
        assert (await stages.page("staging")).text == "Spring."
        await stages.deployed("staging", "success")

        await stages.comment(number, "/promote production")
        await stages.comment_with(number, "⛔", "has no approving reviews")
        await stages.review(number, by="bea")
        await stages.comment(number, "/promote production", by="cem")
        await stages.comment_with(number, "✋ Release", "/approve production")
        await stages.comment(number, "/approve", by="cem")
        await stages.comment_with(number, "the requester of a promotion cannot approve it")
        await stages.comment(number, "/approve", by="ada")
        await stages.comment_with(number, "an author of its commits cannot approve it")
        await stages.comment(number, "/approve", by="bea")
        await stages.comment_with(number, "✅ Release", "**production**", "Approved, 1 of 1")
        assert await stages.digests("production") == seen
        whats = [(entry.actor, entry.action) for entry in await stages.audit("production")]
        assert ("cem", "requested") in whats
        assert ("bea", "approved") in whats
        assert whats[-1] == ("", "succeeded")


@pytest.mark.long
@also_on_node
async def test_failed_promotion_is_rolled_back_and_the_stage_held(small: Scenario) -> None:
    pipeline = "\nstages:\n  staging: {checks: [{name: greeting, http: /}]}\n"
    async with staged(small, pipeline) as stages:
        good = await small.open("good", small.hello("Good."))
        await small.wait_until_ready(good)
        await stages.comment(good, "/promote staging")
        await stages.comment_with(good, "✅ Release", "**staging**")

        broken = small.hello("Broken.")
        stage_only = b'if "stage" in os.environ.get("PLACE", ""): raise SystemExit("no stage fright")\n'
        broken["serve.py"] = broken["serve.py"].replace(b"import os\n", b"import os\n" + stage_only)
        await stages.configure(pipeline.replace("{checks", "{config: {PLACE: stage}, checks"))
        bad = await small.open("bad", broken)
        await small.wait_until_ready(bad)
        await stages.comment(bad, "/promote staging")
        comment = await stages.comment_with(bad, "↩️ Rolled **staging** back")
        assert "no stage fright" in comment
        assert "/unhold staging" in comment
        assert (await stages.page("staging")).text == "Good."
        await stages.deployed("staging", "success", "failure")
        record = await stages.record("staging")
        assert record.hold is not None
        assert record.target is not None
        assert "PLACE" not in record.target.configuration


@pytest.mark.long
@also_on_node
async def test_rollback_restores_the_previous_release(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await small.open("one", small.hello("One."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote staging")
        await stages.comment_with(number, "✅ Release", "**staging**")
        first = await stages.digests("staging")
        await small.push("one", small.hello("Two."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote staging")
        await stages.deployed("staging", "inactive", "success")
        assert (await stages.page("staging")).text == "Two."

        await stages.comment(number, "/rollback staging", by="bea")
        await stages.comment_with(number, "↩️ bea rolled **staging** back")
        assert (await stages.page("staging")).text == "One."
        assert await stages.digests("staging") == first
        await stages.comment(number, "/unhold staging")
        await stages.comment_with(number, "Automatic promotions to `staging` are allowed again")


@pytest.mark.long
@real_only
async def test_second_of_two_promotions_gets_a_notice(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await small.open("one", small.hello("One."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote staging", by="ada")
        await stages.comment(number, "/promote staging", by="bea")
        await stages.comment_with(number, "✅ Release", "**staging**")
        await stages.comment_with(number, "⛔ The promotion to", "already requested a promotion")
        states = [promotion.state for promotion in await stages.promotions("staging")]
        assert sorted(states) == [State.REJECTED, State.SUCCEEDED]


@real_only
async def test_operator_promotes_on_the_command_line(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await small.open("one", small.hello("One."))
        await small.wait_until_ready(number)
        refused = await stages.greenroom("promote", small.repository, "stagin", "--pull", str(number))
        assert refused == (1, "There is no stage stagin (stages: staging). Did you mean `staging`?")
        code, _ = await stages.greenroom("promote", small.repository, "staging", "--pull", str(number))
        assert code == 0
        await stages.comment_with(number, "✅ Release", "**staging**")
        [release] = json.loads((await stages.greenroom("release", "list", small.repository, "--json"))[1])
        assert release["commit"] == small.head(number)
        _, table = await stages.greenroom("stage", "list", small.repository)
        assert small.head(number)[:7] in table
        _, entries = await stages.greenroom("audit", small.repository, "--json")
        last, *_, first = json.loads(entries)
        assert (last["action"], first["action"]) == ("succeeded", "requested")
        assert first["actor"].endswith("@command-line")
