"""Promotions in each state: aborted, paused, and resumed after the bot was killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from bot.model.promotion import PENDING, Promotion
from bot.model.promotion import PromotionState as State
from tests.story.blocked_promotions import BlockedPromotion, blocked_promotion
from tests.story.conftest import Scenario

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

SOAK = timedelta(seconds=9)
"""A little longer than the stage's soak."""

STATES = (
    State.REQUESTED,
    State.GATING,
    State.AWAITING_APPROVAL,
    State.QUEUED,
    State.DEPLOYING,
    State.VERIFYING,
    State.SOAKING,
    State.ROLLING_BACK,
)


@pytest.mark.parametrize("state", STATES)
async def test_aborted_promotion_restores_the_previous_release(small: Scenario, state: State) -> None:
    async with blocked_promotion(small) as blocked:
        stages, number = blocked.stages, blocked.number
        promotion = await blocked.block(state, "soak: 1h" if state is State.SOAKING else None)
        await stages.comment(number, "/abort staging wrong one", by="bea")
        record = await stages.record("staging")
        if state is State.ROLLING_BACK:
            await stages.comment_with(number, "`/abort` was not executed", "is already rolling back")
            failed = "the check smoke failed"
        else:
            await stages.comment_with(number, "🛑 Aborted the promotion to `staging`")
            failed = "aborted by bea: wrong one"
        await blocked.unblock(State.ABORTED)
        if state in PENDING:
            await stages.comes_to("staging", State.ABORTED)
            await stages.comment_with(number, "🛑 The promotion to **staging** was stopped", failed)
            assert stages.deployments("staging") == ["success"]
            record = await stages.record("staging")
            assert (record.hold, record.active_promotion) == (None, None)
        else:
            await stages.comes_to("staging", State.ROLLED_BACK)
            await stages.comment_with(number, "↩️ Rolled **staging** back", failed, "/unhold staging")
            await stages.deployed("staging", "success", "failure")
            record = await stages.record("staging")
            assert record.active_promotion is None
            assert record.hold is not None
            assert record.hold.by == ("" if state is State.ROLLING_BACK else "bea")
        assert blocked.before is not None
        await stages.runs("staging", blocked.before)
        assert (await stages.page("staging")).text == "Before."
        await assert_reported_once(blocked, promotion)


@pytest.mark.parametrize("state", STATES)
async def test_killed_bot_resumes_the_promotion_without_duplicates(small: Scenario, state: State) -> None:
    async with blocked_promotion(small) as blocked:
        promotion = await blocked.block(state)
        await small.bot.kill()
        small.github.faults.clear()
        await small.bot.start()
        await blocked.unblock(state)
        if state is State.ROLLING_BACK:
            await blocked.stages.comes_to("staging", State.ROLLED_BACK)
            await blocked.stages.comment_with(blocked.number, "↩️ Rolled **staging** back")
            await blocked.stages.deployed("staging", "success", "failure")
            expected = blocked.before
        else:
            await blocked.stages.comes_to("staging", State.SUCCEEDED)
            await blocked.stages.deployed("staging", "inactive", "success")
            expected = blocked.after
        assert expected is not None
        await blocked.stages.runs("staging", expected)
        await assert_reported_once(blocked, promotion)


async def assert_reported_once(blocked: BlockedPromotion, promotion: Promotion) -> None:
    """Checks for one comment, and for no repeated Deployment or state."""
    await blocked.stages.idle()
    assert len(blocked.stages.promotion_comments(promotion)) == 1
    shas = [
        deployment.sha for deployment in blocked.scenario.deployments() if deployment.environment == "staging"
    ]
    assert len(shas) == len(set(shas))
    entries = [entry for entry in await blocked.stages.audit("staging") if entry.promotion == promotion.id]
    entered = Counter(entry.after for entry in entries if entry.before and entry.action == entry.after)
    assert set(entered.values()) == {1}, entered


@pytest.mark.parametrize("state", [State.DEPLOYING, State.SOAKING])
async def test_paused_promotion_stops_until_resumed(small: Scenario, state: State) -> None:
    async with blocked_promotion(small) as blocked:
        stages, number = blocked.stages, blocked.number
        promotion = await blocked.block(state)
        await stages.comment(number, "/pause", by="bea")
        await stages.comment_with(number, "⏸️ Paused by bea", "/resume staging")
        await blocked.unblock(state)
        assert blocked.after is not None
        await stages.runs("staging", blocked.after)
        await stages.passes("staging")
        if state is State.SOAKING:
            await asyncio.sleep((promotion.since + SOAK - datetime.now(UTC)).total_seconds())
        await stages.idle()
        assert (await stages.promotions("staging"))[0].state is state
        await stages.comment(number, "/resume staging", by="cem")
        await stages.comes_to("staging", State.SUCCEEDED)
        await stages.deployed("staging", "inactive", "success")
        await assert_reported_once(blocked, promotion)


async def test_paused_promotion_is_rolled_back_on_failure(small: Scenario) -> None:
    async with blocked_promotion(small) as blocked:
        stages = blocked.stages
        await blocked.block(State.VERIFYING)
        await stages.comment(blocked.number, "/pause", by="bea")
        await stages.comment_with(blocked.number, "⏸️ Paused by bea")
        blocked.open("check", "1")
        await stages.comes_to("staging", State.ROLLING_BACK)
        blocked.open("check")
        comment = await stages.comment_with(
            blocked.number, "↩️ Rolled **staging** back", "the check smoke failed"
        )
        assert "⏸️" not in comment
        assert blocked.before is not None
        await stages.runs("staging", blocked.before)
