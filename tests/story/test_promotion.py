"""A release goes from stage to stage: the artifact that reviewers saw, and no other."""

from __future__ import annotations

import json

from bot.model.promotion import PromotionState as State
from tests.story.conftest import Story
from tests.story.stages import staged

PIPELINE = """
stages:
  integration: {checks: [{http: /}]}
  security: {}
  staging: {after: [integration, security], config: {COLOUR: blue}, checks: [{http: /}]}
  production: {after: [staging], protected: true, approvals: {count: 1}}
"""


async def test_what_reviewers_saw_goes_all_the_way_to_production(small: Story) -> None:
    async with staged(small, PIPELINE) as stages:
        number = await small.open("spring", small.hello("Spring."))
        await small.is_ready(number)
        seen = await stages.preview_digests(number)

        await stages.say(number, "/promote staging", by="dora")
        await stages.told(number, "🚫", "needs the role `write`")
        await stages.say(number, "/promote staging")
        await stages.told(number, "⛔", "integration and security before")

        await stages.say(number, "/promote integration")
        await stages.say(number, "/promote security", by="bea")
        await stages.told(number, "✅ Release", "**integration**")
        await stages.told(number, "✅ Release", "**security**")
        await stages.say(number, "/promote staging")
        said = await stages.told(number, "✅ Release", "**staging**")
        assert all(digest in said for digest in seen)
        assert await stages.digests("staging") == seen
        assert (await stages.page("staging")).text == "Spring."
        await stages.deployed("staging", "success")

        await stages.say(number, "/promote production")
        await stages.told(number, "⛔", "nobody but its author has approved")
        await stages.review(number, by="bea")
        await stages.say(number, "/promote production", by="cem")
        await stages.told(number, "✋ Release", "/approve production")
        await stages.say(number, "/approve", by="cem")
        await stages.told(number, "whoever asked for a promotion cannot approve it")
        await stages.say(number, "/approve", by="ada")
        await stages.told(number, "an author of its commits cannot approve it")
        await stages.say(number, "/approve", by="bea")
        await stages.told(number, "✅ Release", "**production**", "Approved, 1 of 1")
        assert await stages.digests("production") == seen
        whats = [(entry.who, entry.what) for entry in await stages.audit("production")]
        assert ("cem", "requested") in whats
        assert ("bea", "approved") in whats
        assert whats[-1] == ("", "succeeded")


async def test_a_release_that_fails_is_taken_back_by_itself_and_the_stage_is_held(small: Story) -> None:
    pipeline = "\nstages:\n  staging: {checks: [{name: greeting, http: /}]}\n"
    async with staged(small, pipeline) as stages:
        good = await small.open("good", small.hello("Good."))
        await small.is_ready(good)
        await stages.say(good, "/promote staging")
        await stages.told(good, "✅ Release", "**staging**")

        broken = small.hello("Broken.")
        stage_only = b'if "stage" in os.environ.get("PLACE", ""): raise SystemExit("no stage fright")\n'
        broken["serve.py"] = broken["serve.py"].replace(b"import os\n", b"import os\n" + stage_only)
        await stages.configure(pipeline.replace("{checks", "{config: {PLACE: stage}, checks"))
        bad = await small.open("bad", broken)
        await small.is_ready(bad)
        await stages.say(bad, "/promote staging")
        said = await stages.told(bad, "↩️ **staging** went back")
        assert "no stage fright" in said
        assert "/unhold staging" in said
        assert (await stages.page("staging")).text == "Good."
        await stages.deployed("staging", "success", "failure")
        record = await stages.record("staging")
        assert record.hold is not None
        assert record.target is not None
        assert "PLACE" not in record.target.configuration


async def test_a_rollback_goes_back_in_one_step(small: Story) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await small.open("one", small.hello("One."))
        await small.is_ready(number)
        await stages.say(number, "/promote staging")
        await stages.told(number, "✅ Release", "**staging**")
        first = await stages.digests("staging")
        await small.push("one", small.hello("Two."))
        await small.is_ready(number)
        await stages.say(number, "/promote staging")
        await stages.deployed("staging", "inactive", "success")
        assert (await stages.page("staging")).text == "Two."

        await stages.say(number, "/rollback staging", by="bea")
        await stages.told(number, "↩️ bea took **staging** back")
        assert (await stages.page("staging")).text == "One."
        assert await stages.digests("staging") == first
        await stages.say(number, "/unhold staging")
        await stages.told(number, "The pipeline may move `staging` again")


async def test_two_people_promote_at_once_and_one_is_told(small: Story) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await small.open("one", small.hello("One."))
        await small.is_ready(number)
        await stages.say(number, "/promote staging", by="ada")
        await stages.say(number, "/promote staging", by="bea")
        await stages.told(number, "✅ Release", "**staging**")
        await stages.told(number, "⛔ Nothing was promoted", "promotes to it already")
        states = [each.state for each in await stages.promotions("staging")]
        assert sorted(states) == [State.REJECTED, State.SUCCEEDED]


async def test_an_operator_does_the_same_on_the_command_line(small: Story) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await small.open("one", small.hello("One."))
        await small.is_ready(number)
        refused = await stages.greenroom("promote", small.repository, "stagin", "--pull", str(number))
        assert refused == (1, "There is no stage stagin (stages: staging).")
        code, _ = await stages.greenroom("promote", small.repository, "staging", "--pull", str(number))
        assert code == 0
        await stages.told(number, "✅ Release", "**staging**")
        [release] = json.loads((await stages.greenroom("release", "list", small.repository, "--json"))[1])
        assert release["commit"] == small.head(number)
        _, table = await stages.greenroom("stage", "list", small.repository)
        assert small.head(number)[:7] in table
        _, entries = await stages.greenroom("audit", small.repository, "--json")
        last, *_, first = json.loads(entries)
        assert (last["what"], first["what"]) == ("succeeded", "requested")
        assert first["who"].endswith("@command-line")
