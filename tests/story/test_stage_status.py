"""`/status` and `/why` about stages."""

from __future__ import annotations

import pytest

from tests.story.conftest import Scenario, embedded_only
from tests.story.stages import staged

pytestmark = [pytest.mark.long, embedded_only]

PIPELINE = """
stages:
  production: {after: [integration], approvals: {count: 1}}
  integration: {}
"""


async def test_status_and_why_show_releases_and_waits(small: Scenario) -> None:
    async with staged(small, PIPELINE) as stages:
        number = await small.open("spring", small.hello("Spring."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/status", by="dora")
        await stages.comment_with(number, "is ready", "| `integration` | none |  |  |")

        await stages.comment(number, "/promote integration")
        await stages.comment_with(number, "✅ Release", "**integration**")
        await stages.comment(number, "/promote production", by="cem")
        await stages.comment_with(number, "✋ Release", "/approve production")
        await stages.comment(number, "/lock integration for 2h load test", by="bea")
        await stages.comment_with(number, "🔒")

        await stages.comment(number, "/status", by="dora")
        shown = await stages.comment_with(number, "✅ verified", "🔒 Locked by bea until")
        rows = [line for line in shown.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == ["integration", "production"]
        assert "awaiting approval" in rows[1]

        await stages.comment(number, "/status integration", by="dora")
        shown = await stages.comment_with(number, "runs on integration", "Images:")
        assert all(digest in shown for digest in await stages.digests("integration"))
        await stages.comment(number, "/why production", by="dora")
        await stages.comment_with(number, "Latest promotion", "except cem (requester) and ada (author)")
        await stages.comment(number, "/why", by="dora")
        await stages.comment_with(number, "Promotions of this pull request in progress", "to production")
        await stages.comment(number, "/status producton", by="dora")
        await stages.comment_with(number, "There is no stage `producton`", "`production`")

        code, shown = await stages.greenroom("stage", "show", small.repository, "production")
        assert code == 0
        assert "Nothing runs on production." in shown
        assert "awaiting approval" in shown
