"""What lets a promotion through, and what people read when it does not."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.model.promotion import PromotionState as State
from tests.story.conftest import Story, eventually
from tests.story.stages import staged


async def test_one_of_several_stages_is_enough_and_the_rest_of_the_line_follows_by_itself(
    small: Story,
) -> None:
    pipeline = """
stages:
  quick: {}
  thorough: {}
  staging: {after: {one_of: [quick, thorough]}, automatic: true}
  production: {after: [staging], automatic: true}
"""
    async with staged(small, pipeline) as stages:
        number = await stages.open("feature", "Line.")
        seen = await stages.preview_digests(number)
        await stages.say(number, "/promote staging")
        await stages.told(
            number, "⛔ Nothing was promoted to **staging**", "verified on quick or thorough before"
        )
        await stages.say(number, "/promote thorough")
        for stage in ("thorough", "staging", "production"):
            said = await stages.told(number, "✅ Release", f"**{stage}**")
            assert all(digest in said for digest in seen)
            assert await stages.digests(stage) == seen
        assert [each.requested_by for each in await stages.promotions("production")] == [""]
        assert await stages.promotions("quick") == []


async def test_an_ephemeral_stage_stands_for_its_promotion_only(small: Story) -> None:
    pipeline = "\nstages:\n  security: {ephemeral: true, checks: [{name: scan, http: /}]}\n"
    async with staged(small, pipeline) as stages:
        number = await stages.open("feature", "Scanned.")
        await stages.say(number, "/promote security", by="bea")
        await stages.told(number, "✅ Release", "was verified on **security**", "✅ `scan`")
        await stages.leaves("security")
        assert (await stages.record("security")).has_verified(
            (await stages.comes_to("security", State.SUCCEEDED)).release.id  # type: ignore[union-attr]  # it has one
        )

        await stages.configure(pipeline.replace("http: /", "http: /nowhere"))
        broken = stages.application["serve.py"].replace(b"(200)", b"(200 if self.path == '/' else 404)")
        await small.push("feature", {**await stages.files("Broken."), "serve.py": broken})
        await small.is_ready(number)
        await stages.say(number, "/promote security", by="bea")
        said = await stages.told(number, "❌ Release", "**security**, which is taken away", "❌ `scan`")
        assert "/unhold" not in said
        await stages.leaves("security")
        await stages.deployed("security", "success", "failure")


async def test_who_locked_a_stage_has_it_alone(small: Story) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await stages.open("feature", "Locked out.")
        await stages.say(number, "/lock staging for 2h load test", by="bea")
        await stages.told(number, "🔒 `staging` is yours")
        [lock] = [each.lock for each in [await stages.record("staging")]]
        assert lock is not None
        until = f"until {lock.until:%d %B, %H:%M} UTC"
        await stages.say(number, "/promote staging", by="cem")
        await stages.told(
            number, "⛔ Nothing was promoted", f"locked by bea {until} (load test)", "/unlock staging"
        )
        await stages.say(number, "/unlock staging", by="cem")
        await stages.told(number, "bea locked staging; they can unlock it")
        await stages.configure("\nstages:\n  staging: {automatic: true}\n")
        await stages.merge(number, "squash")
        await stages.told(number, "⏳ Release", f"locked by bea {until} (load test)")
        assert await stages.digests("staging") == set()
        await stages.say(number, "/unlock staging")
        await stages.told(number, "✅ Release", "**staging**")


async def test_a_hold_stops_the_pipeline_and_no_person(small: Story) -> None:
    async with staged(small, "\nstages:\n  staging: {automatic: true}\n") as stages:
        number = await stages.open("one", "One.")
        await stages.say(number, "/hold staging the audit is today", by="bea")
        await stages.told(number, "✋ Nothing automatic moves `staging`")
        await stages.say(number, "/promote staging", by="cem")
        await stages.told(number, "✅ Release", "**staging**")
        await stages.merge(number, "merge")
        await stages.told(
            number, "⛔ Nothing was promoted", "on hold (the audit is today)", "/unhold staging"
        )
        await stages.say(number, "/unhold staging", by="cem")
        await stages.told(number, "▶️ The pipeline may move `staging` again")
        other = await stages.open("two", "Two.")
        await stages.merge(other, "merge")
        await stages.told(other, "✅ Release", "**staging**")
        assert (await stages.page("staging")).text == "Two."


@pytest.mark.fault
async def test_the_newest_automatic_promotion_goes_first_and_never_before_a_persons(small: Story) -> None:
    pipeline = "\nstages:\n  staging: {automatic: true, approvals: {count: 1}}\n"
    async with staged(small, pipeline) as stages:
        one, two, three, four = [await stages.open(each, more=each) for each in ("1", "2", "3", "4")]
        await stages.merge(one, "merge")
        await stages.told(one, "✋ Release")
        await stages.merge(two, "merge")
        await stages.told(two, "✋ Release")
        await stages.told(one, "⏭️ Nothing more is promoted", "a newer release came")

        await stages.say(three, "/promote staging", by="cem")
        await stages.told(three, "✋ Release")
        await stages.told(two, "⏭️ Nothing more is promoted", "cem took over")
        await stages.merge(four, "merge")
        await stages.told(four, "✋ Release")
        await stages.say(two, "/approve staging", by="bea")
        await stages.told(two, "/approve` was not carried out", "look at it, and approve it there")
        await stages.say(three, "/approve staging", by="bea")
        await stages.told(three, "✅ Release", "**staging**", "Approved, 1 of 1")
        target = (await stages.record("staging")).target
        assert target is not None
        assert target.release.commit == small.head(three)
        await stages.told(four, "✋ Release")


async def test_what_was_pushed_after_the_commenter_looked_is_not_promoted(small: Story) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await stages.open("feature", "Seen.")
        seen = small.head(number)
        path = f"/repos/{small.repository}/pulls/{number}$"
        held = small.github.faults.add("hang", times=1, seconds=2.0, method="GET", path=path)
        await stages.say(number, "/promote staging")
        await eventually(
            lambda: held not in small.github.faults.listed() or None, lambda: "it never read the pull request"
        )
        moved = await small.push("feature", await stages.files("Unseen."))
        await stages.told(number, "/promote", seen, moved)
        await small.is_ready(number)
        assert await stages.promotions("staging") == []
        assert await stages.digests("staging") == set()


async def test_the_same_comment_delivered_ten_times_is_one_promotion(small: Story) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await stages.open("feature", "Once.")
        await stages.say(number, "/promote staging")
        deliveries = small.github.world.state.deliveries.values()
        [original] = [
            each
            for each in deliveries
            if each.repository_id == stages.id and b"/promote" in each.request_body
        ]
        for _ in range(5):
            await asyncio.to_thread(small.github.deliveries.redeliver, original)
        await stages.told(number, "✅ Release", "**staging**")
        for _ in range(5):
            await asyncio.to_thread(small.github.deliveries.redeliver, original)
        await small.delivered()
        await stages.idle()
        [promotion] = await stages.promotions("staging")
        assert len(stages.stories(promotion)) == 1
        assert len(small.comments(number)) == 3, "the preview's, the command, and the promotion's"
        assert stages.deployments("staging") == ["success"]
        requested = [each for each in await stages.audit("staging") if each.what == "requested"]
        assert len(requested) == 1


async def test_what_was_built_for_a_fork_or_reviewed_by_nobody_stays_off_protected_stages(
    small: Story,
) -> None:
    pipeline = "\nstages:\n  staging: {}\n  production: {protected: true}\n"
    async with staged(small, pipeline) as stages:
        fork = await stages.fork("Mine.")
        await small.comment_says(fork, "No preview runs")
        await stages.say(fork, "/preview")
        await small.is_ready(fork)
        await stages.review(fork, by="bea")
        await stages.say(fork, "/promote staging", by="bea")
        await stages.told(fork, "✅ Release", "**staging**")
        await stages.say(fork, "/promote production", by="bea")
        await stages.told(fork, "⛔ Nothing was promoted", "this release was made from a fork")

        number = await stages.open("feature", "Reviewed.")
        await stages.review(number, by="bea")
        await small.push("feature", await stages.files("Changed since."))
        await small.is_ready(number)
        await stages.say(number, "/promote production")
        unreviewed = f"nobody but its author has approved {small.head(number)[:7]}"
        await stages.told(number, "⛔ Nothing was promoted", unreviewed)
        [staged_release] = [each.release for each in await stages.promotions("staging")]
        assert staged_release is not None
        await stages.say(number, f"/promote production {staged_release.id}")
        await stages.told(number, "⛔ Nothing was promoted", "this release was made from a fork")
        assert await stages.digests("production") == set()

        await stages.merge(fork, "squash")
        await stages.say(fork, "/promote production", by="bea")
        said = await stages.told(fork, "✅ Release", "**production**", "was built for a fork")
        assert "main's own build" in said


@pytest.mark.fault
@pytest.mark.timeout(300)
async def test_what_waits_for_a_freeze_or_a_lock_goes_on_when_it_ends(small: Story) -> None:
    async with staged(small, "\nstages:\n  locked: {}\n") as stages:
        number = await stages.open("feature", "Patience.")
        zone = ZoneInfo("Asia/Kolkata")
        now = datetime.now(zone)
        ends = (now + timedelta(seconds=80)).replace(second=0, microsecond=0)
        window = f"from: {now - timedelta(hours=1):%Y-%m-%d %H:%M}, until: {ends:%Y-%m-%d %H:%M}"
        freeze = f"freeze: [{{{window}, zone: {zone.key}, why: nobody is there}}]"
        frozen = f"\nstages:\n  frozen: {{{freeze}}}\n  locked: {{}}\n"
        await stages.configure(frozen)
        await stages.say(number, "/promote frozen")
        told = f"Frozen until {ends:%d %B, %H:%M} Asia/Kolkata"
        await stages.told(number, "⏳ Release", told, "nobody is there")
        await stages.say(number, "/lock locked for 1m", by="bea")
        await stages.told(number, "🔒 `locked` is yours")
        await stages.configure(frozen.replace("locked: {}", "locked: {automatic: true}"))
        await stages.merge(number, "merge")
        await stages.told(number, "⏳ Release", "Locked is locked by bea until")
        assert await stages.digests("frozen") == await stages.digests("locked") == set()
        await asyncio.sleep((ends - datetime.now(zone)).total_seconds() - 5)
        assert await stages.digests("frozen") == set()
        await stages.told(number, "✅ Release", "**frozen**")
        assert datetime.now(zone) >= ends
        await stages.told(number, "✅ Release", "**locked**")
