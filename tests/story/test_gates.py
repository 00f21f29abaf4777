"""Gates of a promotion, and the comments when they are not met."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.model.promotion import PromotionState as State
from tests.story.conftest import Scenario, embedded_only, eventually
from tests.story.stages import staged

pytestmark = [pytest.mark.long, embedded_only]


async def test_one_of_gate_and_automatic_stage(
    small: Scenario,
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
        await stages.comment(number, "/promote staging")
        await stages.comment_with(
            number, "⛔ The promotion to **staging** was rejected", "must pass quick or thorough first"
        )
        await stages.comment(number, "/promote thorough")
        for stage in ("thorough", "staging", "production"):
            comment = await stages.comment_with(number, "✅ Release", f"**{stage}**")
            assert all(digest in comment for digest in seen)
            assert await stages.digests(stage) == seen
        assert [promotion.requested_by for promotion in await stages.promotions("production")] == [""]
        assert await stages.promotions("quick") == []


async def test_ephemeral_stage_exists_during_its_promotion_only(small: Scenario) -> None:
    pipeline = "\nstages:\n  security: {ephemeral: true, checks: [{name: scan, http: /}]}\n"
    async with staged(small, pipeline) as stages:
        number = await stages.open("feature", "Scanned.")
        await stages.comment(number, "/promote security", by="bea")
        await stages.comment_with(number, "✅ Release", "passed on **security**", "✅ `scan`")
        await stages.leaves("security")
        assert (await stages.record("security")).has_verified(
            (await stages.comes_to("security", State.SUCCEEDED)).release.id  # type: ignore[union-attr]  # it has one
        )

        await stages.configure(pipeline.replace("http: /", "http: /nowhere"))
        broken = stages.application["serve.py"].replace(b"(200)", b"(200 if self.path == '/' else 404)")
        await small.push("feature", {**await stages.files("Broken."), "serve.py": broken})
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote security", by="bea")
        comment = await stages.comment_with(
            number, "❌ Release", "**security** (temporary stage, deleted)", "❌ `scan`"
        )
        assert "/unhold" not in comment
        await stages.leaves("security")
        await stages.deployed("security", "success", "failure")


async def test_lock_blocks_other_users(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await stages.open("feature", "Locked out.")
        await stages.comment(number, "/lock staging for 2h load test", by="bea")
        await stages.comment_with(number, "🔒 Locked `staging` for you")
        lock = (await stages.record("staging")).lock
        assert lock is not None
        until = f"until {lock.until:%d %B, %H:%M} UTC"
        await stages.comment(number, "/promote staging", by="cem")
        await stages.comment_with(
            number, "⛔ The promotion to", f"locked by bea {until} (load test)", "/unlock staging"
        )
        await stages.comment(number, "/unlock staging", by="cem")
        await stages.comment_with(
            number, "Bea locked staging: only bea or a user with the role `maintain` can unlock it"
        )
        await stages.configure("\nstages:\n  staging: {automatic: true}\n")
        await stages.merge(number, "squash")
        await stages.comment_with(number, "⏳ Release", f"locked by bea {until} (load test)")
        assert await stages.digests("staging") == set()
        await stages.comment(number, "/unlock staging")
        await stages.comment_with(number, "✅ Release", "**staging**")


async def test_hold_blocks_automatic_promotions_only(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  staging: {automatic: true}\n") as stages:
        number = await stages.open("one", "One.")
        await stages.comment(number, "/hold staging the audit is today", by="bea")
        await stages.comment_with(number, "✋ Blocked automatic promotions to `staging`")
        await stages.comment(number, "/promote staging", by="cem")
        await stages.comment_with(number, "✅ Release", "**staging**")
        await stages.merge(number, "merge")
        await stages.comment_with(
            number, "⛔ The promotion to", "on hold (the audit is today)", "/unhold staging"
        )
        await stages.comment(number, "/unhold staging", by="cem")
        await stages.comment_with(number, "▶️ Automatic promotions to `staging` are allowed again")
        other = await stages.open("two", "Two.")
        await stages.merge(other, "merge")
        await stages.comment_with(other, "✅ Release", "**staging**")
        assert (await stages.page("staging")).text == "Two."


@pytest.mark.fault
async def test_automatic_promotion_waits_for_a_users_promotion(small: Scenario) -> None:
    pipeline = "\nstages:\n  staging: {automatic: true, approvals: {count: 1}}\n"
    async with staged(small, pipeline) as stages:
        first, second, third, fourth = [await stages.open(name, more=name) for name in ("1", "2", "3", "4")]
        await stages.merge(first, "merge")
        await stages.comment_with(first, "✋ Release")
        await stages.merge(second, "merge")
        await stages.comment_with(second, "✋ Release")
        await stages.comment_with(first, "⏭️ The promotion to", "a newer release was requested")

        await stages.comment(third, "/promote staging", by="cem")
        await stages.comment_with(third, "✋ Release")
        await stages.comment_with(second, "⏭️ The promotion to", "cem requested another promotion")
        await stages.merge(fourth, "merge")
        await stages.comment_with(fourth, "✋ Release")
        await stages.comment(second, "/approve staging", by="bea")
        await stages.comment_with(second, "/approve` was not executed", "review and approve it there")
        await stages.comment(third, "/approve staging", by="bea")
        await stages.comment_with(third, "✅ Release", "**staging**", "Approved, 1 of 1")
        target = (await stages.record("staging")).target
        assert target is not None
        assert target.release.commit == small.head(third)
        await stages.comment_with(fourth, "✋ Release")


async def test_promote_refuses_a_head_that_changed_meanwhile(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await stages.open("feature", "Seen.")
        seen = small.head(number)
        path = f"/repos/{small.repository}/pulls/{number}$"
        held = small.github.faults.add("hang", times=1, seconds=2.0, method="GET", path=path)
        await stages.comment(number, "/promote staging")
        await eventually(
            lambda: held not in small.github.faults.listed() or None, lambda: "it never read the pull request"
        )
        moved = await small.push("feature", await stages.files("Unseen."))
        await stages.comment_with(number, "/promote", seen[:7], moved[:7])
        await small.wait_until_ready(number)
        assert await stages.promotions("staging") == []
        assert await stages.digests("staging") == set()


async def test_repeated_delivery_makes_one_promotion(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n") as stages:
        number = await stages.open("feature", "Once.")
        await stages.comment(number, "/promote staging")
        deliveries = small.github.world.state.deliveries.values()
        [original] = [
            delivery
            for delivery in deliveries
            if delivery.repository_id == stages.id and b'"/promote staging"' in delivery.request_body
        ]
        for _ in range(5):
            await asyncio.to_thread(small.github.deliveries.redeliver, original)
        await stages.comment_with(number, "✅ Release", "**staging**")
        for _ in range(5):
            await asyncio.to_thread(small.github.deliveries.redeliver, original)
        await small.delivered()
        await stages.idle()
        [promotion] = await stages.promotions("staging")
        assert len(stages.promotion_comments(promotion)) == 1
        assert len(small.comments(number)) == 3, "the preview's, the command, and the promotion's"
        assert stages.deployments("staging") == ["success"]
        requested = [entry for entry in await stages.audit("staging") if entry.action == "requested"]
        assert len(requested) == 1


async def test_protected_stage_refuses_forks_and_unreviewed_commits(
    small: Scenario,
) -> None:
    pipeline = "\nstages:\n  staging: {}\n  production: {protected: true}\n"
    async with staged(small, pipeline) as stages:
        fork = await stages.fork("Mine.")
        await stages.comment(fork, "/preview")
        await small.wait_until_ready(fork)
        await stages.review(fork, by="bea")
        await stages.comment(fork, "/promote staging", by="bea")
        await stages.comment_with(fork, "✅ Release", "**staging**")
        await stages.comment(fork, "/promote production", by="bea")
        await stages.comment_with(fork, "⛔ The promotion to", "this release was built for a fork")

        number = await stages.open("feature", "Reviewed.")
        await stages.review(number, by="bea")
        await small.push("feature", await stages.files("Changed since."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote production")
        unreviewed = f"{small.head(number)[:7]} has no approving reviews"
        await stages.comment_with(number, "⛔ The promotion to", unreviewed)
        [staged_release] = [promotion.release for promotion in await stages.promotions("staging")]
        assert staged_release is not None
        await stages.comment(number, f"/promote production {staged_release.id}")
        await stages.comment_with(number, "⛔ The promotion to", "this release was built for a fork")
        assert await stages.digests("production") == set()

        await stages.merge(fork, "squash")
        await stages.comment(fork, "/promote production", by="bea")
        await stages.comment_with(fork, "🚧 GitHub does not show who pushed", "`/vouch` on")
        small.github.repositories.set_role(small.repository, "cem", "maintain")
        await stages.comment(fork, "/vouch", by="cem")
        comment = await stages.comment_with(fork, "✅ Release", "**production**", "was built for a fork")
        assert "CI's build of main's" in comment


async def test_reviews_cover_only_the_commits_of_their_pull_request(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  production: {protected: true}\n") as stages:
        number = await stages.open("feature", "Reviewed.")
        await stages.review(number, by="bea")
        merge = await stages.merge(number, "merge")
        pushed = await small.push("main", await stages.files("Unreviewed."))
        await stages.comment(number, f"/promote production {pushed}")
        reason = f"{pushed[:7]} did not come from a pull request, so it has no review"
        await stages.comment_with(number, "⛔ The promotion to", reason)

        fork = await stages.fork("Theirs.")
        head = small.head(fork)
        await stages.review(fork, by="bea")
        await stages.merge(fork, "merge")
        await stages.comment(fork, f"/promote production {head}")
        await stages.comment_with(fork, "⛔ The promotion to", "this release was built for a fork")
        assert await stages.digests("production") == set()
        await stages.comment(fork, f"/promote production {merge}")
        await stages.comment_with(fork, "✅ Release", "**production**")
        assert (await stages.page("production")).text == "Reviewed."


@pytest.mark.fault
@pytest.mark.timeout(300)
async def test_promotion_continues_after_a_freeze_or_lock(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  locked: {}\n") as stages:
        number = await stages.open("feature", "Patience.")
        zone = ZoneInfo("Asia/Kolkata")
        now = datetime.now(zone)
        ends = (now + timedelta(seconds=80)).replace(second=0, microsecond=0)
        window = f"from: {now - timedelta(hours=1):%Y-%m-%d %H:%M}, until: {ends:%Y-%m-%d %H:%M}"
        freeze = f"freeze: [{{{window}, zone: {zone.key}, why: holidays}}]"
        frozen = f"\nstages:\n  frozen: {{{freeze}}}\n  locked: {{}}\n"
        await stages.configure(frozen)
        await stages.comment(number, "/promote frozen")
        shown = f"Frozen until {ends:%d %B, %H:%M} Asia/Kolkata"
        await stages.comment_with(number, "⏳ Release", shown, "holidays")
        await stages.comment(number, "/lock locked for 1m", by="bea")
        await stages.comment_with(number, "🔒 Locked `locked` for you")
        await stages.configure(frozen.replace("locked: {}", "locked: {automatic: true}"))
        await stages.merge(number, "merge")
        await stages.comment_with(number, "⏳ Release", "Locked is locked by bea until")
        assert await stages.digests("frozen") == await stages.digests("locked") == set()
        await asyncio.sleep((ends - datetime.now(zone)).total_seconds() - 5)
        assert await stages.digests("frozen") == set()
        await stages.comment_with(number, "✅ Release", "**frozen**")
        assert datetime.now(zone) >= ends
        await stages.comment_with(number, "✅ Release", "**locked**")


async def test_failed_preview_check_warns_or_blocks(small: Scenario) -> None:
    pipeline = """
preview: {checks: [{name: smoke, job: {image: hello, command: [python, -c, raise SystemExit(3)]}}]}
stages:
  integration: {}
  staging: {preview_checks: block}
"""
    async with staged(small, pipeline) as stages:
        number = await small.open("one", small.hello("One."))
        await small.comment_with(number, "runs, but its checks failed", "❌ `smoke`")
        assert small.runs(small.head(number)) == ["failure"]
        assert [deployment.state for deployment in small.deployments()] == ["failure"]
        await stages.comment(number, "/promote staging")
        await stages.comment_with(number, "rejected", "checks failed in the preview", "smoke")
        await stages.comment(number, "/promote integration")
        await stages.comment_with(number, "is verified on **integration**", "⚠️ Checks failed in the preview")
        await small.close(number)
        await small.comment_with(number, "The preview was deleted")
        assert small.runs(small.head(number)) == ["failure"]
        [run] = small.github.checks.runs(small.repository, small.head(number), "greenroom/preview")
        assert run.output.title == "Deleted: the pull request was closed"
