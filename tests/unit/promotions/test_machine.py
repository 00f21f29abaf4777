"""The way of a promotion from state to state."""

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


def test_a_release_goes_through_the_stages_one_after_another(stages: Stages) -> None:
    stages.ask("integration")
    assert stages.step("integration", facts(progress=UNDER_WAY)) is State.DEPLOYING
    assert stages.running("integration") == release()
    assert stages.step("integration", facts(progress=LIVE)) is State.VERIFYING
    assert stages.step("integration", facts(progress=VERIFIED)) is State.SUCCEEDED
    stages.run("security", release(), "p2")
    stages.run("staging", release(), "p3")
    stages.run("production", release(), "p4")
    assert stages.running("production") == release()


def test_a_stage_is_refused_before_the_ones_that_come_before(stages: Stages) -> None:
    stages.run("integration", release(), "p1")
    stages.ask("staging", id="p2")
    assert stages.step("staging", facts(), "p2") is State.REJECTED
    assert "must pass security first" in stages.promotion("staging", "p2").reason
    assert stages.running("staging") is None


def test_verified_means_this_very_release(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.run("security", release("a"), "p2")
    stages.ask("staging", id="p3")
    assert stages.step("staging", facts(release("b")), "p3") is State.REJECTED


def test_one_of_several_is_enough_where_the_pipeline_says_so(stages: Stages) -> None:
    text = PIPELINE.replace("after: [integration, security]", "after: {one_of: [integration, security]}")
    stages.run("security", release(), "p1", text=text)
    stages.run("staging", release(), "p2", text=text)


def test_an_unknown_stage_names_those_that_there_are(stages: Stages) -> None:
    stages.ask("stagin")
    assert stages.step("stagin", facts()) is State.REJECTED
    assert "integration, security, staging, production" in stages.promotion("stagin").reason


def test_a_failing_check_takes_the_stage_back_and_holds_it(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.ask("integration", id="p2")
    stages.step("integration", facts(release("b")), "p2")
    assert stages.step("integration", facts(release("b"), progress=SMOKE_FAILED), "p2") is State.ROLLING_BACK
    assert stages.running("integration") == release("a")
    assert stages.step("integration", facts(release("b"), progress=VERIFIED), "p2") is State.ROLLED_BACK
    told = stages.promotion("integration", "p2")
    assert "smoke failed" in told.reason
    assert told.detail == "AssertionError"
    assert stages.boards["integration"].stage.hold is not None


def test_going_back_is_code_and_configuration_together(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    changed = PIPELINE.replace("integration: {}", "integration: {config: {COLOUR: red}}")
    stages.ask("integration", id="p2")
    stages.step("integration", facts(release("b"), changed), "p2")
    stages.step("integration", facts(release("b"), changed, progress=BROKEN), "p2")
    target = stages.boards["integration"].stage.target
    assert target is not None
    assert (target.release, target.configuration) == (release("a"), PIPELINE)


def test_the_first_release_of_a_stage_has_nothing_to_go_back_to(stages: Stages) -> None:
    stages.ask("integration")
    stages.step("integration", facts())
    assert stages.step("integration", facts(progress=BROKEN)) is State.FAILED
    assert stages.boards["integration"].stage.active_promotion is None


def test_a_rollback_that_fails_is_told_and_tried_no_further(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.ask("integration", id="p2")
    stages.step("integration", facts(release("b")), "p2")
    stages.step("integration", facts(release("b"), progress=BROKEN), "p2")
    assert stages.step("integration", facts(release("b"), progress=BROKEN), "p2") is State.ROLLBACK_FAILED


def test_what_fails_while_it_soaks_goes_back_too(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {soak: 1h}")
    stages.ask("integration")
    stages.step("integration", facts(text=text))
    assert stages.step("integration", facts(text=text, progress=VERIFIED)) is State.SOAKING
    stages.later(minutes=59)
    assert stages.step("integration", facts(text=text, progress=VERIFIED)) is State.SOAKING
    assert stages.step("integration", facts(text=text, progress=BROKEN)) is State.FAILED


def test_an_ephemeral_stage_is_made_verified_and_destroyed(stages: Stages) -> None:
    text = PIPELINE.replace("security: {}", "security: {ephemeral: true}")
    stages.run("security", release(), "p1", text=text)
    assert stages.running("security") is None
    stages.run("integration", release(), "p2", text=text)
    stages.run("staging", release(), "p3", text=text)


def test_an_ephemeral_stage_that_fails_is_destroyed_without_a_hold(stages: Stages) -> None:
    text = PIPELINE.replace("security: {}", "security: {ephemeral: true}")
    stages.ask("security")
    stages.step("security", facts(text=text))
    assert stages.step("security", facts(text=text, progress=BROKEN)) is State.FAILED
    assert stages.running("security") is None
    assert stages.boards["security"].stage.hold is None


def test_production_waits_for_two_who_neither_asked_nor_wrote_it(stages: Stages) -> None:
    for number, name in enumerate(("integration", "security", "staging")):
        stages.run(name, release(), f"p{number}")
    stages.ask("production", by="dora", id="p9")
    assert stages.step("production", facts(), "p9") is State.AWAITING_APPROVAL
    for person, why in (("dora", "requester"), ("Ada", "author")):
        with refused(why):
            stages.approve("production", "p9", person)
    for person, state in (("bea", State.AWAITING_APPROVAL), ("cem", State.DEPLOYING)):
        stages.approve("production", "p9", person)
        assert stages.step("production", facts(), "p9") is state


def _ready_for_production(stages: Stages, text: str = PIPELINE) -> None:
    for number, name in enumerate(("integration", "security", "staging")):
        stages.run(name, release(), f"p{number}", text=text)
    stages.ask("production", by="dora", id="p9")
    stages.step("production", facts(text=text), "p9")


def test_the_same_person_twice_is_one_approval(stages: Stages) -> None:
    _ready_for_production(stages)
    stages.approve("production", "p9", "bea")
    stages.approve("production", "p9", "Bea")
    assert stages.step("production", facts(), "p9") is State.AWAITING_APPROVAL


def test_another_configuration_of_the_stage_makes_approvals_void(stages: Stages) -> None:
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
    target = stages.boards["production"].stage.target
    assert target is not None
    assert target.configuration == changed


def test_an_approval_counts_for_a_day(stages: Stages) -> None:
    text = PIPELINE.replace(
        "soak: 30m", "soak: 30m, freeze: [{from: wed 00:00, until: fri 00:00, zone: UTC}]"
    )
    _ready_for_production(stages, text)
    stages.approve("production", "p9", "bea")
    stages.approve("production", "p9", "cem")
    assert stages.step("production", facts(text=text), "p9") is State.QUEUED
    stages.later(hours=25)
    assert stages.step("production", facts(text=text), "p9") is State.AWAITING_APPROVAL


def test_the_gates_it_began_with_stay_with_it(stages: Stages) -> None:
    _ready_for_production(stages)
    softer = PIPELINE.replace("approvals: {count: 2}", "approvals: {count: 1}")
    stages.approve("production", "p9", "bea")
    assert stages.step("production", facts(text=softer), "p9") is State.AWAITING_APPROVAL


def test_approvals_count_from_the_teams_that_are_named(stages: Stages) -> None:
    text = PIPELINE.replace("count: 2", "count: 1, teams: [ops]")
    _ready_for_production(stages, text)
    with refused("members of ops"):
        stages.approve("production", "p9", "bea", ("web",))
    stages.approve("production", "p9", "bea", ("ops", "web"))
    assert stages.step("production", facts(text=text), "p9") is State.DEPLOYING


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"reviews": ()}, "aaaaaaa has no approving reviews"),
        ({"reviews": None}, "cannot be read"),
        ({"head": "f" * 40}, "aaaaaaa has no approving reviews"),
        ({"other_base": "next"}, "#7 targets next, whose other changes were not reviewed there"),
    ],
)
def test_nothing_unreviewed_reaches_a_protected_stage(
    stages: Stages, wrong: dict[str, Any], told: str
) -> None:
    for number, name in enumerate(("integration", "security", "staging")):
        stages.run(name, release(), f"p{number}")
    stages.ask("production", id="p9")
    state = stages.step("production", facts(**wrong), "p9")
    assert state in (State.REJECTED, State.GATING)
    assert any(told in gate.reason for gate in stages.promotion("production", "p9").gates)
    assert stages.running("production") is None


def test_a_forks_release_never_reaches_a_protected_stage(stages: Stages) -> None:
    fork = release(fork=True)
    for number, name in enumerate(("integration", "security", "staging")):
        stages.run(name, fork, f"p{number}")
    stages.ask("production", id="p9")
    assert stages.step("production", facts(fork), "p9") is State.REJECTED
    built_here = release(origin=Origin.DEFAULT_BRANCH)
    stages.ask("production", id="p10")
    assert stages.step("production", facts(built_here), "p10") is State.AWAITING_APPROVAL


def test_a_freeze_holds_it_in_the_queue_until_it_ends(stages: Stages) -> None:
    frozen = "integration: {freeze: [{from: wed 11:00, until: wed 18:00, zone: Europe/Berlin}]}"
    text = PIPELINE.replace("integration: {}", frozen)
    stages.ask("integration")
    assert stages.step("integration", facts(text=text)) is State.QUEUED
    stages.later(hours=4, minutes=59)
    assert stages.step("integration", facts(text=text)) is State.QUEUED
    stages.later(minutes=1)
    assert stages.step("integration", facts(text=text)) is State.DEPLOYING


HOSTED = PIPELINE.replace("integration: {}", "integration: {host: shop.example.com}")


def test_a_host_that_is_not_granted_is_refused(stages: Stages) -> None:
    stages.ask("integration")
    why = ".greenroom.yml, line 7, stages.integration.host: shop.example.com is not granted"
    assert stages.step("integration", facts(text=HOSTED, host_objection=why)) is State.REJECTED
    assert stages.promotion("integration").reason == why


def test_a_host_moves_to_another_stage_when_the_one_that_has_it_lets_go(stages: Stages) -> None:
    stages.run("integration", release(), "p1", text=HOSTED)
    moved = PIPELINE.replace("security: {}", "security: {host: shop.example.com}")
    stages.ask("security", id="p2")
    assert stages.step("security", facts(text=moved), "p2") is State.GATING
    [gate] = [gate for gate in stages.promotion("security", "p2").gates if not gate.passed]
    assert gate.reason.startswith("stage integration uses the host shop.example.com")
    stages.run("integration", release(), "p3", text=moved)
    assert stages.step("security", facts(text=moved), "p2") is State.DEPLOYING


def test_another_host_makes_approvals_void(stages: Stages) -> None:
    _ready_for_production(stages)
    stages.approve("production", "p9", "bea")
    stages.approve("production", "p9", "cem")
    moved = PIPELINE.replace("soak: 30m", "soak: 30m, host: shop.example.com")
    assert stages.step("production", facts(text=moved), "p9") is State.AWAITING_APPROVAL


def test_a_lock_keeps_others_out_until_it_expires(stages: Stages) -> None:
    until = stages.now + timedelta(hours=2)
    locked = stage_actions.lock(stages.aggregate("integration"), "bea", until, "load test", stages.now)
    stages.boards["integration"] = locked
    stages.ask("integration", by="ada")
    assert stages.step("integration", facts()) is State.REJECTED
    assert "load test" in stages.promotion("integration").reason
    with refused("only bea or a user"):
        stage_actions.unlock(stages.aggregate("integration"), "ada", False, stages.now)
    stages.run("integration", release(), "p2", by="bea")
    stages.later(hours=2)
    stages.run("integration", release("b"), "p3", by="ada")


def test_a_hold_stops_automation_and_no_person(stages: Stages) -> None:
    stages.boards["integration"] = stage_actions.hold(stages.aggregate("integration"), "bea", "", stages.now)
    stages.ask("integration", by="")
    assert stages.step("integration", facts()) is State.REJECTED
    stages.run("integration", release("b"), "p2")
    stages.boards["integration"] = stage_actions.unhold(stages.aggregate("integration"), "bea", stages.now)
    stages.ask("integration", by="", id="p3")
    assert stages.step("integration", facts(), "p3") is State.DEPLOYING


def test_two_people_promote_at_once_and_one_is_told(stages: Stages) -> None:
    stages.ask("integration", by="ada", id="p1")
    stages.ask("integration", by="bea", id="p2")
    assert stages.step("integration", facts(release("b")), "p2") is State.REJECTED
    assert "ada already requested a promotion" in stages.promotion("integration", "p2").reason
    assert stages.step("integration", facts(), "p1") is State.DEPLOYING


def test_a_newer_automatic_one_supersedes_an_older_and_never_a_persons(stages: Stages) -> None:
    frozen = "integration: {freeze: [{from: wed 00:00, until: thu 00:00, zone: UTC}]}"
    text = PIPELINE.replace("integration: {}", frozen)
    stages.ask("integration", by="", id="p1")
    assert stages.step("integration", facts(text=text), "p1") is State.QUEUED
    stages.later(minutes=1)
    stages.ask("integration", by="", id="p2")
    assert stages.step("integration", facts(release("b"), text), "p2") is State.QUEUED
    assert stages.state("integration", "p1") is State.SUPERSEDED
    stages.later(minutes=1)
    stages.ask("integration", by="ada", id="p3")
    assert stages.step("integration", facts(release("c"), text), "p3") is State.QUEUED
    assert stages.state("integration", "p2") is State.SUPERSEDED
    stages.later(minutes=1)
    stages.ask("integration", by="", id="p4")
    stages.step("integration", facts(release("d"), text), "p4")
    assert stages.state("integration", "p3") is State.QUEUED


def test_while_nobody_can_tell_who_wrote_the_commits_nobodys_yes_counts(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {approvals: {count: 1}}")
    stages.ask("integration", by="ada")
    assert stages.step("integration", facts(text=text, authors=None)) is State.GATING
    [shut] = [gate for gate in stages.promotion("integration").gates if not gate.passed]
    assert shut.reason.startswith("the authors of the commits cannot be read")
    stages.approve("integration", "p1", "cem")
    assert stages.step("integration", facts(text=text, authors=("ada", "cem"))) is State.AWAITING_APPROVAL
    stages.approve("integration", "p1", "bea")
    assert stages.step("integration", facts(text=text, authors=("ada", "cem"))) is State.DEPLOYING


def test_who_waits_for_the_stage_is_told_whose_promotion_moves_it(stages: Stages) -> None:
    stages.ask("integration", by="", id="p1")
    assert stages.step("integration", facts(), "p1") is State.DEPLOYING
    stages.later(minutes=1)
    stages.ask("integration", by="bea", id="p2")
    assert stages.step("integration", facts(release("b")), "p2") is State.QUEUED
    [waits] = [gate for gate in stages.promotion("integration", "p2").gates if not gate.passed]
    assert waits.reason == "integration is busy: promotion p1 by the pipeline is active"


def test_a_soaking_automatic_one_gives_way_to_a_newer(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {soak: 1d}")
    stages.ask("integration", by="", id="p1")
    stages.step("integration", facts(text=text), "p1")
    stages.step("integration", facts(text=text, progress=VERIFIED), "p1")
    stages.later(minutes=1)
    stages.ask("integration", by="", id="p2")
    assert stages.step("integration", facts(release("b"), text), "p2") is State.DEPLOYING
    assert stages.state("integration", "p1") is State.SUPERSEDED


def test_a_paused_promotion_goes_no_further_and_still_goes_back(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.ask("integration", id="p2")
    stages.step("integration", facts(release("b")), "p2")
    one = stages.promotion("integration", "p2")
    stages.boards["integration"] = stage_actions.pause(
        stages.aggregate("integration"), one, "bea", stages.now
    )
    stages.step("integration", facts(release("b"), progress=VERIFIED), "p2")
    assert stages.state("integration", "p2") is not State.SUCCEEDED
    stages.step("integration", facts(release("b"), progress=BROKEN), "p2")
    assert stages.state("integration", "p2") is State.ROLLING_BACK


def test_paused_beyond_its_soak_it_is_not_looked_at_over_and_over(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {soak: 1h}")
    stages.ask("integration")
    stages.step("integration", facts(text=text))
    stages.step("integration", facts(text=text, progress=VERIFIED))
    one = stages.promotion("integration")
    stages.boards["integration"] = stage_actions.pause(
        stages.aggregate("integration"), one, "bea", stages.now
    )
    stages.later(hours=2)
    assert stages.step("integration", facts(text=text, progress=VERIFIED)) is State.SOAKING
    again = next_check(stages.promotion("integration"), stages.now)
    assert again == stages.now + timedelta(seconds=30)


def test_resumed_it_goes_on(stages: Stages) -> None:
    stages.ask("integration")
    one = stages.promotion("integration")
    stages.boards["integration"] = stage_actions.pause(
        stages.aggregate("integration"), one, "bea", stages.now
    )
    assert stages.step("integration", facts()) is State.REQUESTED
    stages.later(days=2)
    assert stages.step("integration", facts()) is State.REQUESTED
    one = stages.promotion("integration")
    stages.boards["integration"] = stage_actions.resume(
        stages.aggregate("integration"), one, "bea", stages.now
    )
    assert stages.step("integration", facts()) is State.DEPLOYING


def test_a_rollback_goes_to_the_one_verified_before_and_holds(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.run("integration", release("b"), "p2")
    back = stage_actions.begin_rollback(
        stages.aggregate("integration"), promotion("integration", "bea", "r1", stages.now), stages.now
    )
    stages.boards["integration"] = back
    assert stages.state("integration", "r1") is State.ROLLING_BACK
    assert stages.running("integration") == release("a")
    assert back.stage.hold is not None
    assert not back.stage.has_verified(release("b").id)
    assert stages.step("integration", facts(progress=VERIFIED), "r1") is State.ROLLED_BACK


def test_a_rollback_while_something_moves_ends_that(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    stages.ask("integration", id="p2")
    stages.step("integration", facts(release("b")), "p2")
    stages.boards["integration"] = stage_actions.begin_rollback(
        stages.aggregate("integration"), promotion("integration", "bea", "r1", stages.now), stages.now
    )
    assert stages.state("integration", "p2") is State.ROLLING_BACK
    assert stages.running("integration") == release("a")
    assert "r1" not in stages.boards["integration"].promotions


def test_a_rollback_without_anything_verified_is_refused(stages: Stages) -> None:
    stages.run("integration", release("a"), "p1")
    with refused("no other verified release"):
        stage_actions.begin_rollback(
            stages.aggregate("integration"), promotion("integration", id="r1"), stages.now
        )


@pytest.mark.parametrize(
    "state", ["requested", "awaiting approval", "queued", "deploying", "verifying", "soaking"]
)
def test_it_can_be_aborted_in_every_state(stages: Stages, state: str) -> None:
    slow = "integration: {soak: 1h, approvals: {count: 1}}"
    frozen = "integration: {freeze: [{from: wed 00:00, until: thu 00:00, zone: UTC}]}"
    text = PIPELINE.replace("integration: {}", frozen if state == "queued" else slow)
    stages.ask("integration", by="dora", id="p2")
    if state != "requested":
        stages.step("integration", facts(text=text), "p2")
    if state in ("deploying", "verifying", "soaking"):
        one = stages.promotion("integration", "p2")
        stages.boards["integration"] = stage_actions.approve(
            stages.aggregate("integration"), one, "bea", [], UNPROTECTED, stages.now
        )
        stages.step("integration", facts(text=text), "p2")
    if state in ("verifying", "soaking"):
        stages.step("integration", facts(text=text, progress=LIVE), "p2")
    if state == "soaking":
        stages.step("integration", facts(text=text, progress=VERIFIED), "p2")
    one = stages.promotion("integration", "p2")
    assert one.state == state
    aborted = stage_actions.abort(stages.aggregate("integration"), one, "bea", "wrong one", stages.now)
    assert aborted.promotions["p2"].state is State.ABORTED
    assert "wrong one" in aborted.promotions["p2"].reason
    assert aborted.stage.active_promotion is None


def test_every_wait_ends(stages: Stages) -> None:
    stages.ask("integration")
    stages.later(hours=1)
    assert stages.step("integration", facts(resolved=None, configuration=None)) is State.EXPIRED
    stages.ask("integration", id="p2")
    stages.step("integration", facts(), "p2")
    stages.later(hours=1)
    assert stages.step("integration", facts(), "p2") is State.FAILED


def test_what_came_to_its_end_while_nobody_worked_is_not_too_late(stages: Stages) -> None:
    stages.ask("integration")
    stages.step("integration", facts())
    stages.later(days=2)
    assert stages.step("integration", facts(progress=VERIFIED)) is State.SUCCEEDED


def test_what_its_stage_waits_for_is_told_until_it_goes_on(stages: Stages) -> None:
    slow = replace(UNDER_WAY, reason=Reported("Deployment shop: 0 of 2 pods are ready"))
    stages.ask("integration")
    stages.step("integration", facts())
    stages.step("integration", facts(progress=slow))
    assert stages.promotion("integration").waiting_for == "Deployment shop: 0 of 2 pods are ready"
    stages.step("integration", facts(progress=VERIFIED))
    assert stages.promotion("integration").waiting_for == ""
    stages.ask("integration", id="p2")
    stages.step("integration", facts(release("b"), progress=slow), "p2")
    stages.step("integration", facts(release("b"), progress=slow), "p2")
    stages.later(hours=1)
    stages.step("integration", facts(progress=slow), "p2")
    assert (
        stages.promotion("integration", "p2").reason
        == "timed out while deploying; Deployment shop: 0 of 2 pods are ready"
    )


def test_what_was_given_up_while_it_waited_is_brought_nowhere(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {approvals: {count: 1}}")
    stages.ask("integration")
    assert stages.step("integration", facts(text=text)) is State.AWAITING_APPROVAL
    stages.approve("integration", "p1", "bea")
    assert stages.step("integration", facts(text=text, closed=True)) is State.REJECTED
    assert stages.promotion("integration").reason == "#7 was closed without being merged"
    assert stages.running("integration") is None


def test_who_names_the_release_of_a_pull_request_that_was_closed_means_it(stages: Stages) -> None:
    stages.ask("integration", requested_release=release().id)
    assert stages.step("integration", facts(closed=True)) is State.DEPLOYING
    stages.ask("security", by="", requested_release=release().id)
    assert stages.step("security", facts(closed=True)) is State.REJECTED


def test_a_stage_stays_where_it_stands_when_the_repository_is_renamed(stages: Stages) -> None:
    stages.run("integration", release(), "p1")
    before = stages.boards["integration"].stage.namespace
    stages.ask("integration", id="p2")
    asked, renamed = stages.promotion("integration", "p2"), replace(SHOP, name="store")
    stages.boards["integration"] = stages.boards["integration"].with_promotion(
        replace(asked, repository=renamed)
    )
    stages.step("integration", facts(release("b")), "p2")
    assert stages.boards["integration"].stage.namespace == before
    stages.step("integration", facts(progress=VERIFIED), "p2")
    text = PIPELINE.replace("integration: {}", "integration: {namespace: ours}")
    stages.run("integration", release("a"), "p3", text=text)
    assert stages.boards["integration"].stage.namespace == "ours"
    stages.run("integration", release("b"), "p4")
    assert stages.boards["integration"].stage.namespace == before


def test_the_story_and_the_audit_tell_what_happened(stages: Stages) -> None:
    stages.run("integration", release(), "p1")
    whats = [entry.action for entry in stages.boards["integration"].audit]
    assert whats == [
        "requested",
        "gating",
        "gates",
        "queued",
        "target",
        "deploying",
        "verifying",
        "succeeded",
    ]
    target = stages.boards["integration"].audit[4]
    assert (target.before, target.after) == ("nothing", release().id)
