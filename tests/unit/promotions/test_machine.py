"""State transitions of a promotion."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.model.promotion import PromotionState as State
from bot.model.protection import UNPROTECTED
from bot.model.reason import Reported
from bot.model.release import Origin
from bot.promotions import stage_actions
from bot.promotions.state_machine import next_check
from tests.unit.promotions.stage_fixtures import (
    BROKEN,
    LIVE,
    PIPELINE,
    SHOP,
    SMOKE_FAILED,
    UNDER_WAY,
    VERIFIED,
    Stages,
    facts,
    promotion,
    refused,
    release,
)


@pytest.fixture
def stages() -> Stages:
    return Stages()


def test_release_passes_the_stages_in_order(stages: Stages) -> None:
    stages.request("integration")
    assert stages.step("integration", facts(progress=UNDER_WAY)) is State.DEPLOYING
    assert stages.running("integration") == release()
    assert stages.step("integration", facts(progress=LIVE)) is State.VERIFYING
    assert stages.step("integration", facts(progress=VERIFIED)) is State.SUCCEEDED
    stages.run("security", release(), "p2")
    stages.run("staging", release(), "p3")
    stages.run("production", release(), "p4")
    assert stages.running("production") == release()


def test_stage_requires_its_predecessors(stages: Stages) -> None:
    stages.run("integration", release(), "p1")
    stages.request("staging", id="p2")
    assert stages.step("staging", facts(), "p2") is State.REJECTED
    assert "must pass security first" in stages.promotion("staging", "p2").reason
    assert stages.running("staging") is None


def test_predecessor_must_have_verified_the_same_release(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.run("security", release("a"), "p2")
    stages.request("staging", id="p3")
    assert stages.step("staging", facts(release("b")), "p3") is State.REJECTED


def test_one_of_accepts_any_predecessor(stages: Stages) -> None:
    text = PIPELINE.replace("after: [integration, security]", "after: {one_of: [integration, security]}")
    stages.run("security", release(), "p1", text=text)
    stages.run("staging", release(), "p2", text=text)


def test_unknown_stage_lists_the_stages(stages: Stages) -> None:
    stages.request("stagin")
    assert stages.step("stagin", facts()) is State.REJECTED
    assert "integration, security, staging, production" in stages.promotion("stagin").reason


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


def test_ephemeral_stage_is_destroyed_after_verification(stages: Stages) -> None:
    text = PIPELINE.replace("security: {}", "security: {ephemeral: true}")
    stages.run("security", release(), "p1", text=text)
    assert stages.running("security") is None
    stages.run("integration", release(), "p2", text=text)
    stages.run("staging", release(), "p3", text=text)


def test_failed_ephemeral_stage_is_destroyed_without_hold(stages: Stages) -> None:
    text = PIPELINE.replace("security: {}", "security: {ephemeral: true}")
    stages.request("security")
    stages.step("security", facts(text=text))
    assert stages.step("security", facts(text=text, progress=BROKEN)) is State.FAILED
    assert stages.running("security") is None
    assert stages.aggregates["security"].stage.hold is None


def test_approvals_exclude_requester_and_author(stages: Stages) -> None:
    for number, name in enumerate(("integration", "security", "staging")):
        stages.run(name, release(), f"p{number}")
    stages.request("production", by="dora", id="p9")
    assert stages.step("production", facts(), "p9") is State.AWAITING_APPROVAL
    for person, reason in (("dora", "requester"), ("Ada", "author")):
        with refused(reason):
            stages.approve("production", "p9", person)
    for person, state in (("bea", State.AWAITING_APPROVAL), ("cem", State.DEPLOYING)):
        stages.approve("production", "p9", person)
        assert stages.step("production", facts(), "p9") is state


def _ready_for_production(stages: Stages, text: str = PIPELINE) -> None:
    for number, name in enumerate(("integration", "security", "staging")):
        stages.run(name, release(), f"p{number}", text=text)
    stages.request("production", by="dora", id="p9")
    stages.step("production", facts(text=text), "p9")


def test_repeated_approval_counts_once(stages: Stages) -> None:
    _ready_for_production(stages)
    stages.approve("production", "p9", "bea")
    stages.approve("production", "p9", "Bea")
    assert stages.step("production", facts(), "p9") is State.AWAITING_APPROVAL


def test_changed_configuration_voids_approvals(stages: Stages) -> None:
    _ready_for_production(stages)
    stages.approve("production", "p9", "bea")
    changed = PIPELINE.replace("soak: 30m", "soak: 30m, config: {PRICES: high}")
    stages.step("production", facts(text=changed), "p9")
    stages.approve("production", "p9", "cem")
    assert stages.step("production", facts(text=changed), "p9") is State.AWAITING_APPROVAL
    assert any(
        "a new approval is required" in line.event for line in stages.promotion("production", "p9").timeline
    )
    stages.approve("production", "p9", "bea")
    assert stages.step("production", facts(text=changed), "p9") is State.DEPLOYING
    target = stages.aggregates["production"].stage.target
    assert target is not None
    assert target.configuration == changed


def test_approval_expires_after_a_day(stages: Stages) -> None:
    text = PIPELINE.replace(
        "soak: 30m", "soak: 30m, freeze: [{from: wed 00:00, until: fri 00:00, zone: UTC}]"
    )
    _ready_for_production(stages, text)
    stages.approve("production", "p9", "bea")
    stages.approve("production", "p9", "cem")
    assert stages.step("production", facts(text=text), "p9") is State.QUEUED
    stages.later(hours=25)
    assert stages.step("production", facts(text=text), "p9") is State.AWAITING_APPROVAL


def test_promotion_keeps_its_original_gates(stages: Stages) -> None:
    _ready_for_production(stages)
    softer = PIPELINE.replace("approvals: {count: 2}", "approvals: {count: 1}")
    stages.approve("production", "p9", "bea")
    assert stages.step("production", facts(text=softer), "p9") is State.AWAITING_APPROVAL


def test_approvals_require_the_named_teams(stages: Stages) -> None:
    text = PIPELINE.replace("count: 2", "count: 1, teams: [ops]")
    _ready_for_production(stages, text)
    with refused("members of ops"):
        stages.approve("production", "p9", "bea", ("web",))
    stages.approve("production", "p9", "bea", ("ops", "web"))
    assert stages.step("production", facts(text=text), "p9") is State.DEPLOYING


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"reviews": ()}, "aaaaaaa has no approving reviews"),
        ({"reviews": None}, "cannot be read"),
        ({"head": "f" * 40}, "aaaaaaa has no approving reviews"),
        ({"other_base": "next"}, "#7 targets next, whose other changes were not reviewed there"),
    ],
)
def test_protected_stage_rejects_unreviewed_releases(
    stages: Stages, wrong: dict[str, Any], reason: str
) -> None:
    for number, name in enumerate(("integration", "security", "staging")):
        stages.run(name, release(), f"p{number}")
    stages.request("production", id="p9")
    state = stages.step("production", facts(**wrong), "p9")
    assert state in (State.REJECTED, State.GATING)
    assert any(reason in gate.reason for gate in stages.promotion("production", "p9").gates)
    assert stages.running("production") is None


def test_protected_stage_rejects_releases_of_forks(stages: Stages) -> None:
    fork = release(fork=True)
    for number, name in enumerate(("integration", "security", "staging")):
        stages.run(name, fork, f"p{number}")
    stages.request("production", id="p9")
    assert stages.step("production", facts(fork), "p9") is State.REJECTED
    built_here = release(origin=Origin.DEFAULT_BRANCH)
    stages.request("production", id="p10")
    assert stages.step("production", facts(built_here), "p10") is State.AWAITING_APPROVAL


def test_freeze_queues_a_promotion_until_its_end(stages: Stages) -> None:
    frozen = "integration: {freeze: [{from: wed 11:00, until: wed 18:00, zone: Europe/Berlin}]}"
    text = PIPELINE.replace("integration: {}", frozen)
    stages.request("integration")
    assert stages.step("integration", facts(text=text)) is State.QUEUED
    stages.later(hours=4, minutes=59)
    assert stages.step("integration", facts(text=text)) is State.QUEUED
    stages.later(minutes=1)
    assert stages.step("integration", facts(text=text)) is State.DEPLOYING


HOSTED = PIPELINE.replace("integration: {}", "integration: {host: shop.example.com}")


def test_ungranted_host_is_rejected(stages: Stages) -> None:
    stages.request("integration")
    reason = ".greenroom.yml, line 7, stages.integration.host: shop.example.com is not granted"
    assert stages.step("integration", facts(text=HOSTED, host_objection=reason)) is State.REJECTED
    assert stages.promotion("integration").reason == reason


def test_host_in_use_blocks_another_stage(stages: Stages) -> None:
    stages.run("integration", release(), "p1", text=HOSTED)
    moved = PIPELINE.replace("security: {}", "security: {host: shop.example.com}")
    stages.request("security", id="p2")
    assert stages.step("security", facts(text=moved), "p2") is State.GATING
    [gate] = [gate for gate in stages.promotion("security", "p2").gates if not gate.passed]
    assert gate.reason.startswith("stage integration uses the host shop.example.com")
    stages.run("integration", release(), "p3", text=moved)
    assert stages.step("security", facts(text=moved), "p2") is State.DEPLOYING


def test_changed_host_voids_approvals(stages: Stages) -> None:
    _ready_for_production(stages)
    stages.approve("production", "p9", "bea")
    stages.approve("production", "p9", "cem")
    moved = PIPELINE.replace("soak: 30m", "soak: 30m, host: shop.example.com")
    assert stages.step("production", facts(text=moved), "p9") is State.AWAITING_APPROVAL


def test_lock_blocks_others_until_it_expires(stages: Stages) -> None:
    until = stages.now + timedelta(hours=2)
    locked = stage_actions.lock(stages.aggregate("integration"), "bea", until, "load test", stages.now)
    stages.aggregates["integration"] = locked
    stages.request("integration", by="ada")
    assert stages.step("integration", facts()) is State.REJECTED
    assert "load test" in stages.promotion("integration").reason
    with refused("only bea or a user"):
        stage_actions.unlock(stages.aggregate("integration"), "ada", False, stages.now)
    stages.run("integration", release(), "p2", by="bea")
    stages.later(hours=2)
    stages.run("integration", release("b"), "p3", by="ada")


def test_hold_blocks_only_automatic_promotions(stages: Stages) -> None:
    stages.aggregates["integration"] = stage_actions.hold(
        stages.aggregate("integration"), "bea", "", stages.now
    )
    stages.request("integration", by="")
    assert stages.step("integration", facts()) is State.REJECTED
    stages.run("integration", release("b"), "p2")
    stages.aggregates["integration"] = stage_actions.unhold(
        stages.aggregate("integration"), "bea", stages.now
    )
    stages.request("integration", by="", id="p3")
    assert stages.step("integration", facts(), "p3") is State.DEPLOYING


def test_second_request_of_a_stage_is_rejected(stages: Stages) -> None:
    stages.request("integration", by="ada", id="p1")
    stages.request("integration", by="bea", id="p2")
    assert stages.step("integration", facts(release("b")), "p2") is State.REJECTED
    assert "ada already requested a promotion" in stages.promotion("integration", "p2").reason
    assert stages.step("integration", facts(), "p1") is State.DEPLOYING


def test_automatic_promotion_supersedes_only_automatic_ones(stages: Stages) -> None:
    frozen = "integration: {freeze: [{from: wed 00:00, until: thu 00:00, zone: UTC}]}"
    text = PIPELINE.replace("integration: {}", frozen)
    stages.request("integration", by="", id="p1")
    assert stages.step("integration", facts(text=text), "p1") is State.QUEUED
    stages.later(minutes=1)
    stages.request("integration", by="", id="p2")
    assert stages.step("integration", facts(release("b"), text), "p2") is State.QUEUED
    assert stages.state("integration", "p1") is State.SUPERSEDED
    stages.later(minutes=1)
    stages.request("integration", by="ada", id="p3")
    assert stages.step("integration", facts(release("c"), text), "p3") is State.QUEUED
    assert stages.state("integration", "p2") is State.SUPERSEDED
    stages.later(minutes=1)
    stages.request("integration", by="", id="p4")
    stages.step("integration", facts(release("d"), text), "p4")
    assert stages.state("integration", "p3") is State.QUEUED


def test_unreadable_authors_block_approvals(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {approvals: {count: 1}}")
    stages.request("integration", by="ada")
    assert stages.step("integration", facts(text=text, authors=None)) is State.GATING
    [shut] = [gate for gate in stages.promotion("integration").gates if not gate.passed]
    assert shut.reason.startswith("the authors of the commits cannot be read")
    stages.approve("integration", "p1", "cem")
    assert stages.step("integration", facts(text=text, authors=("ada", "cem"))) is State.AWAITING_APPROVAL
    stages.approve("integration", "p1", "bea")
    assert stages.step("integration", facts(text=text, authors=("ada", "cem"))) is State.DEPLOYING


def test_queued_promotion_names_the_active_one(stages: Stages) -> None:
    stages.request("integration", by="", id="p1")
    assert stages.step("integration", facts(), "p1") is State.DEPLOYING
    stages.later(minutes=1)
    stages.request("integration", by="bea", id="p2")
    assert stages.step("integration", facts(release("b")), "p2") is State.QUEUED
    [waits] = [gate for gate in stages.promotion("integration", "p2").gates if not gate.passed]
    assert waits.reason == "integration is busy: promotion p1 by the pipeline is active"


def test_soaking_automatic_promotion_is_superseded(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {soak: 1d}")
    stages.request("integration", by="", id="p1")
    stages.step("integration", facts(text=text), "p1")
    stages.step("integration", facts(text=text, progress=VERIFIED), "p1")
    stages.later(minutes=1)
    stages.request("integration", by="", id="p2")
    assert stages.step("integration", facts(release("b"), text), "p2") is State.DEPLOYING
    assert stages.state("integration", "p1") is State.SUPERSEDED


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
        stages.aggregates["integration"] = stage_actions.approve(
            stages.aggregate("integration"), pending, "bea", [], UNPROTECTED, stages.now
        )
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


def test_waiting_states_time_out(stages: Stages) -> None:
    stages.request("integration")
    stages.later(hours=1)
    assert stages.step("integration", facts(resolved=None, configuration=None)) is State.EXPIRED
    stages.request("integration", id="p2")
    stages.step("integration", facts(), "p2")
    stages.later(hours=1)
    assert stages.step("integration", facts(), "p2") is State.FAILED


def test_rollout_completed_during_downtime_succeeds(stages: Stages) -> None:
    stages.request("integration")
    stages.step("integration", facts())
    stages.later(days=2)
    assert stages.step("integration", facts(progress=VERIFIED)) is State.SUCCEEDED


def test_promotion_shows_what_its_stage_waits_for(stages: Stages) -> None:
    slow = replace(UNDER_WAY, reason=Reported("Deployment shop: 0 of 2 pods are ready"))
    stages.request("integration")
    stages.step("integration", facts())
    stages.step("integration", facts(progress=slow))
    assert stages.promotion("integration").waiting_for == "Deployment shop: 0 of 2 pods are ready"
    stages.step("integration", facts(progress=VERIFIED))
    assert stages.promotion("integration").waiting_for == ""
    stages.request("integration", id="p2")
    stages.step("integration", facts(release("b"), progress=slow), "p2")
    stages.step("integration", facts(release("b"), progress=slow), "p2")
    stages.later(hours=1)
    stages.step("integration", facts(progress=slow), "p2")
    assert (
        stages.promotion("integration", "p2").reason
        == "timed out while deploying; Deployment shop: 0 of 2 pods are ready"
    )


def test_closed_pull_request_rejects_its_waiting_promotion(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {approvals: {count: 1}}")
    stages.request("integration")
    assert stages.step("integration", facts(text=text)) is State.AWAITING_APPROVAL
    stages.approve("integration", "p1", "bea")
    assert stages.step("integration", facts(text=text, closed=True)) is State.REJECTED
    assert stages.promotion("integration").reason == "#7 was closed without being merged"
    assert stages.running("integration") is None


def test_named_release_of_a_closed_pull_request_is_accepted(stages: Stages) -> None:
    stages.request("integration", requested_release=release().id)
    assert stages.step("integration", facts(closed=True)) is State.DEPLOYING
    stages.request("security", by="", requested_release=release().id)
    assert stages.step("security", facts(closed=True)) is State.REJECTED


def test_namespace_is_kept_when_the_repository_is_renamed(stages: Stages) -> None:
    stages.run("integration", release(), "p1")
    before = stages.aggregates["integration"].stage.namespace
    stages.request("integration", id="p2")
    requested, renamed = stages.promotion("integration", "p2"), replace(SHOP, name="store")
    stages.aggregates["integration"] = stages.aggregates["integration"].with_promotion(
        replace(requested, repository=renamed)
    )
    stages.step("integration", facts(release("b")), "p2")
    assert stages.aggregates["integration"].stage.namespace == before
    stages.step("integration", facts(progress=VERIFIED), "p2")
    text = PIPELINE.replace("integration: {}", "integration: {namespace: ours}")
    stages.run("integration", release("a"), "p3", text=text)
    assert stages.aggregates["integration"].stage.namespace == "ours"
    stages.run("integration", release("b"), "p4")
    assert stages.aggregates["integration"].stage.namespace == before


def test_audit_lists_the_transitions(stages: Stages) -> None:
    stages.run("integration", release(), "p1")
    actions = [entry.action for entry in stages.aggregates["integration"].audit]
    assert actions == [
        "requested",
        "gating",
        "gates",
        "queued",
        "target",
        "deploying",
        "verifying",
        "succeeded",
    ]
    target = stages.aggregates["integration"].audit[4]
    assert (target.before, target.after) == ("nothing", release().id)
