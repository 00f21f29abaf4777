"""What people are told of the stages when they ask."""

from __future__ import annotations

from tests.story.conftest import Story
from tests.story.stages import staged

PIPELINE = """
stages:
  production: {after: [integration], approvals: {count: 1}}
  integration: {}
"""


async def test_status_and_why_tell_what_runs_where_and_what_is_waited_for(small: Story) -> None:
    async with staged(small, PIPELINE) as stages:
        number = await small.open("spring", small.hello("Spring."))
        await small.is_ready(number)
        await stages.say(number, "/status", by="dora")
        await stages.told(number, "is ready", "| `integration` | nothing |  |  |")

        await stages.say(number, "/promote integration")
        await stages.told(number, "✅ Release", "**integration**")
        await stages.say(number, "/promote production", by="cem")
        await stages.told(number, "✋ Release", "/approve production")
        await stages.say(number, "/lock integration for 2h load test", by="bea")
        await stages.told(number, "🔒")

        await stages.say(number, "/status", by="dora")
        told = await stages.told(number, "✅ verified", "🔒 bea keeps it until")
        rows = [line for line in told.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == ["integration", "production"]
        assert "awaiting approval" in rows[1]

        await stages.say(number, "/status integration", by="dora")
        told = await stages.told(number, "runs on integration", "What it is made of")
        assert all(digest in told for digest in await stages.digests("integration"))
        await stages.say(number, "/why production", by="dora")
        await stages.told(number, "The last promotion", "not cem (asked for it) or ada (wrote it)")
        await stages.say(number, "/why", by="dora")
        await stages.told(number, "What is under way from here", "to production")
        await stages.say(number, "/status producton", by="dora")
        await stages.told(number, "There is no stage `producton`", "`production`")

        code, shown = await stages.greenroom("stage", "show", small.repository, "production")
        assert code == 0
        assert "Nothing runs on production." in shown
        assert "awaiting approval" in shown
