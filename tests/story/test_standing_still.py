"""A promotion that stands still in each of its states: aborted there, killed there, paused there."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from bot.model.promotion import PENDING, Promotion
from bot.model.promotion import PromotionState as State
from tests.story.conftest import Story
from tests.story.doors import Doors, doors

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

SOAK = timedelta(seconds=9)
"""A little longer than the stage asks for."""

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
async def test_aborted_it_leaves_the_stage_with_what_ran_before(small: Story, state: State) -> None:
    async with doors(small) as scene:
        stages, number = scene.stages, scene.number
        promotion = await scene.stand_still(state, "soak: 1h" if state is State.SOAKING else None)
        await stages.say(number, "/abort staging wrong one", by="bea")
        record = await stages.record("staging")
        if state is State.ROLLING_BACK:
            await stages.told(number, "`/abort` was not carried out", "is already going back")
            failed = "the check smoke failed"
        else:
            await stages.told(number, "🛑 The promotion to `staging` is ended")
            failed = "bea aborted it: wrong one"
        await scene.let_go(State.ABORTED)
        if state in PENDING:
            await stages.comes_to("staging", State.ABORTED)
            await stages.told(number, "🛑 The promotion to **staging** ended", failed)
            assert stages.deployments("staging") == ["success"]
            record = await stages.record("staging")
            assert (record.hold, record.active_promotion) == (None, None)
        else:
            await stages.comes_to("staging", State.ROLLED_BACK)
            await stages.told(number, "↩️ **staging** went back", failed, "/unhold staging")
            await stages.deployed("staging", "success", "failure")
            record = await stages.record("staging")
            assert record.active_promotion is None
            assert record.hold is not None
            assert record.hold.by == ("" if state is State.ROLLING_BACK else "bea")
        assert scene.before is not None
        await stages.runs("staging", scene.before)
        assert (await stages.page("staging")).text == "Before."
        await told_once(scene, promotion)


@pytest.mark.parametrize("state", STATES)
async def test_killed_it_resumes_and_nothing_is_there_twice(small: Story, state: State) -> None:
    async with doors(small) as scene:
        promotion = await scene.stand_still(state)
        await small.bot.kill()
        small.github.faults.clear()
        await small.bot.start()
        await scene.let_go(state)
        if state is State.ROLLING_BACK:
            await scene.stages.comes_to("staging", State.ROLLED_BACK)
            await scene.stages.told(scene.number, "↩️ **staging** went back")
            await scene.stages.deployed("staging", "success", "failure")
            expected = scene.before
        else:
            await scene.stages.comes_to("staging", State.SUCCEEDED)
            await scene.stages.deployed("staging", "inactive", "success")
            expected = scene.after
        assert expected is not None
        await scene.stages.runs("staging", expected)
        await told_once(scene, promotion)


async def told_once(scene: Doors, promotion: Promotion) -> None:
    """One comment, no Deployment twice, and no state entered twice."""
    await scene.stages.idle()
    assert len(scene.stages.stories(promotion)) == 1
    shas = [each.sha for each in scene.story.deployments() if each.environment == "staging"]
    assert len(shas) == len(set(shas))
    entries = [each for each in await scene.stages.audit("staging") if each.promotion == promotion.id]
    entered = Counter(each.after for each in entries if each.before and each.what == each.after)
    assert set(entered.values()) == {1}, entered


@pytest.mark.parametrize("state", [State.DEPLOYING, State.SOAKING])
async def test_paused_it_goes_no_further_until_it_is_resumed(small: Story, state: State) -> None:
    async with doors(small) as scene:
        stages, number = scene.stages, scene.number
        promotion = await scene.stand_still(state)
        await stages.say(number, "/pause", by="bea")
        await stages.told(number, "⏸️ Paused by bea", "/resume staging")
        await scene.let_go(state)
        assert scene.after is not None
        await stages.runs("staging", scene.after)
        await stages.passes("staging")
        if state is State.SOAKING:
            await asyncio.sleep((promotion.since + SOAK - datetime.now(UTC)).total_seconds())
        await stages.idle()
        assert (await stages.promotions("staging"))[0].state is state
        await stages.say(number, "/resume staging", by="cem")
        await stages.comes_to("staging", State.SUCCEEDED)
        await stages.deployed("staging", "inactive", "success")
        await told_once(scene, promotion)


async def test_paused_it_still_goes_back_when_it_fails(small: Story) -> None:
    async with doors(small) as scene:
        stages = scene.stages
        await scene.stand_still(State.VERIFYING)
        await stages.say(scene.number, "/pause", by="bea")
        await stages.told(scene.number, "⏸️ Paused by bea")
        scene.open("check", "1")
        await stages.comes_to("staging", State.ROLLING_BACK)
        scene.open("check")
        said = await stages.told(scene.number, "↩️ **staging** went back", "the check smoke failed")
        assert "⏸️" not in said
        assert scene.before is not None
        await stages.runs("staging", scene.before)
