"""Rollback, abort, pause and resume of a promotion."""

from datetime import timedelta

import pytest

from bot.model.promotion import PromotionState as State
from bot.promotions import stage_actions
from bot.promotions.state_machine import next_check
from tests.unit.promotions.stage_fixtures import (
    BROKEN,
    LIVE,
    PIPELINE,
    SMOKE_FAILED,
    UNDER_WAY,
    VERIFIED,
    Stages,
    facts,
    promotion,
    refused,
    release,
)


def test_failed_check_rolls_back_and_holds(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.request("integration", id="p2")
    stages.step("integration", facts(release("b")), "p2")
    assert stages.step("integration", facts(release("b"), progress=SMOKE_FAILED), "p2") is State.ROLLING_BACK
    assert stages.running("integration") == release("a")
    assert stages.step("integration", facts(release("b"), progress=VERIFIED), "p2") is State.ROLLED_BACK
    ended = stages.promotion("integration", "p2")
    assert "smoke failed" in ended.reason
    assert ended.detail == "AssertionError"
    assert stages.aggregates["integration"].stage.hold is not None


def test_rollback_restores_code_and_configuration(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    changed = PIPELINE.replace("integration: {}", "integration: {config: {COLOUR: red}}")
    stages.request("integration", id="p2")
    stages.step("integration", facts(release("b"), changed), "p2")
    stages.step("integration", facts(release("b"), changed, progress=BROKEN), "p2")
    target = stages.aggregates["integration"].stage.target
    assert target is not None
    assert (target.release, target.configuration) == (release("a"), PIPELINE)


def test_first_release_of_a_stage_fails_without_rollback(stages: Stages) -> None:
    stages.request("integration")
    stages.step("integration", facts())
    assert stages.step("integration", facts(progress=BROKEN)) is State.FAILED
    assert stages.aggregates["integration"].stage.active_promotion is None


def test_failed_rollback_is_final(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.request("integration", id="p2")
    stages.step("integration", facts(release("b")), "p2")
    stages.step("integration", facts(release("b"), progress=BROKEN), "p2")
    assert stages.step("integration", facts(release("b"), progress=BROKEN), "p2") is State.ROLLBACK_FAILED


def test_failure_during_soak_ends_the_promotion(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {soak: 1h}")
    stages.request("integration")
    stages.step("integration", facts(text=text))
    assert stages.step("integration", facts(text=text, progress=VERIFIED)) is State.SOAKING
    stages.later(minutes=59)
    assert stages.step("integration", facts(text=text, progress=VERIFIED)) is State.SOAKING
    assert stages.step("integration", facts(text=text, progress=BROKEN)) is State.FAILED


def test_paused_promotion_still_rolls_back(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.request("integration", id="p2")
    stages.step("integration", facts(release("b")), "p2")
    paused = stages.promotion("integration", "p2")
    stages.aggregates["integration"] = stage_actions.pause(
        stages.aggregate("integration"), paused, "bea", stages.now
    )
    stages.step("integration", facts(release("b"), progress=VERIFIED), "p2")
    assert stages.state("integration", "p2") is not State.SUCCEEDED
    stages.step("integration", facts(release("b"), progress=BROKEN), "p2")
    assert stages.state("integration", "p2") is State.ROLLING_BACK


def test_paused_soak_is_checked_every_30_seconds(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {soak: 1h}")
    stages.request("integration")
    stages.step("integration", facts(text=text))
    stages.step("integration", facts(text=text, progress=VERIFIED))
    paused = stages.promotion("integration")
    stages.aggregates["integration"] = stage_actions.pause(
        stages.aggregate("integration"), paused, "bea", stages.now
    )
    stages.later(hours=2)
    assert stages.step("integration", facts(text=text, progress=VERIFIED)) is State.SOAKING
    again = next_check(stages.promotion("integration"), stages.now)
    assert again == stages.now + timedelta(seconds=30)


def test_resumed_promotion_continues(stages: Stages) -> None:
    stages.request("integration")
    paused = stages.promotion("integration")
    stages.aggregates["integration"] = stage_actions.pause(
        stages.aggregate("integration"), paused, "bea", stages.now
    )
    assert stages.step("integration", facts()) is State.REQUESTED
    stages.later(days=2)
    assert stages.step("integration", facts()) is State.REQUESTED
    paused = stages.promotion("integration")
    stages.aggregates["integration"] = stage_actions.resume(
        stages.aggregate("integration"), paused, "bea", stages.now
    )
    assert stages.step("integration", facts()) is State.DEPLOYING


def test_remaining_analysis_of_a_canary_is_skipped_by_a_maintainer(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {rollout: canary}")
    stages.request("integration")
    with refused("none is in progress"):
        _skip(stages, may_skip=True)
    assert stages.step("integration", facts(text=text, progress=UNDER_WAY)) is State.DEPLOYING
    with refused("requires the role `maintain`"):
        _skip(stages, may_skip=False)
    _skip(stages, may_skip=True)
    skipped = stages.promotion("integration")
    assert skipped.analysis_skipped_by == "bea"
    assert skipped.timeline[-1].event == "The remaining analysis is skipped"
    assert [(entry.action, entry.actor) for entry in stages.aggregate("integration").audit][-1] == (
        "skipped",
        "bea",
    )


def test_analysis_of_a_rolling_rollout_cannot_be_skipped(stages: Stages) -> None:
    stages.request("integration")
    stages.step("integration", facts(progress=UNDER_WAY))
    with refused("`--now` skips the analysis of a canary"):
        _skip(stages, may_skip=True)


def _skip(stages: Stages, *, may_skip: bool) -> None:
    aggregate, current = stages.aggregate("integration"), stages.promotion("integration")
    changed = stage_actions.skip_analysis(aggregate, current, "bea", may_skip, stages.now)
    stages.aggregates["integration"] = changed


def test_rollback_restores_the_verified_release_and_holds(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.run("integration", release("b"), "p2")
    back = stage_actions.begin_rollback(
        stages.aggregate("integration"), promotion("integration", "bea", "r1", stages.now), stages.now
    )
    stages.aggregates["integration"] = back
    assert stages.state("integration", "r1") is State.ROLLING_BACK
    assert stages.running("integration") == release("a")
    assert back.stage.hold is not None
    assert not back.stage.has_verified(release("b").id)
    assert stages.step("integration", facts(progress=VERIFIED), "r1") is State.ROLLED_BACK


def test_rollback_ends_the_active_promotion(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.request("integration", id="p2")
    stages.step("integration", facts(release("b")), "p2")
    stages.aggregates["integration"] = stage_actions.begin_rollback(
        stages.aggregate("integration"), promotion("integration", "bea", "r1", stages.now), stages.now
    )
    assert stages.state("integration", "p2") is State.ROLLING_BACK
    assert stages.running("integration") == release("a")
    assert "r1" not in stages.aggregates["integration"].promotions


def test_rollback_requires_a_verified_release(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    with refused("no other verified release"):
        stage_actions.begin_rollback(
            stages.aggregate("integration"), promotion("integration", id="r1"), stages.now
        )


@pytest.mark.parametrize(
    "state", ["requested", "awaiting approval", "queued", "deploying", "verifying", "soaking"]
)
def test_abort_works_in_every_state(stages: Stages, state: str) -> None:
    slow = "integration: {soak: 1h, approvals: {count: 1}}"
    frozen = "integration: {freeze: [{from: wed 00:00, until: thu 00:00, zone: UTC}]}"
    text = PIPELINE.replace("integration: {}", frozen if state == "queued" else slow)
    stages.request("integration", by="dora", id="p2")
    if state != "requested":
        stages.step("integration", facts(text=text), "p2")
    if state in ("deploying", "verifying", "soaking"):
        pending = stages.promotion("integration", "p2")
        stages.approve("integration", pending.id, "bea")
        stages.step("integration", facts(text=text), "p2")
    if state in ("verifying", "soaking"):
        stages.step("integration", facts(text=text, progress=LIVE), "p2")
    if state == "soaking":
        stages.step("integration", facts(text=text, progress=VERIFIED), "p2")
    pending = stages.promotion("integration", "p2")
    assert pending.state == state
    aborted = stage_actions.abort(stages.aggregate("integration"), pending, "bea", "wrong one", stages.now)
    assert aborted.promotions["p2"].state is State.ABORTED
    assert "wrong one" in aborted.promotions["p2"].reason
    assert aborted.stage.active_promotion is None
