"""State transitions of a promotion."""

from dataclasses import replace

from bot.model.promotion import PromotionState as State
from bot.model.reason import Reported
from bot.promotions.facts import Facts
from bot.promotions.reasons import ServiceUnavailable
from tests.unit.promotions.stage_fixtures import (
    BROKEN,
    LIVE,
    PIPELINE,
    SHOP,
    UNDER_WAY,
    VERIFIED,
    Stages,
    facts,
    release,
)


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


def test_stage_with_secrets_rejects_releases_of_forks(stages: Stages) -> None:
    text = PIPELINE.replace("security: {}", "security: {secrets: {TOKEN: 'env:TOKEN'}}")
    theirs = release(fork=True)
    stages.run("integration", theirs, "p1", text=text)
    stages.run("security", release(), "p2", text=text)
    stages.request("security", id="p3")
    assert stages.step("security", facts(theirs, text), "p3") is State.REJECTED
    reason = "security has secrets, so it runs no release that was built for a fork; merge the pull request "
    reason += "and promote the build of the default branch"
    assert stages.promotion("security", "p3").reason == reason
    stages.request("security", id="p4")
    unknown = facts(release(), text, provenance=None)
    assert stages.step("security", unknown, "p4") is State.GATING, "the source is unknown"


def test_unknown_stage_lists_the_stages(stages: Stages) -> None:
    stages.request("stagin")
    assert stages.step("stagin", facts()) is State.REJECTED
    assert "integration, security, staging, production" in stages.promotion("stagin").reason


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
    assert stages.promotion("integration").reason == "#7 was closed without being merged; reopen it"
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


def test_unavailable_registry_is_named_until_it_answers(stages: Stages) -> None:
    stages.request("integration")
    outage = Facts(unavailable=ServiceUnavailable("ghcr.io did not answer: ReadTimeout."))
    assert stages.step("integration", outage) is State.REQUESTED
    waiting_for = stages.promotion("integration").waiting_for
    assert waiting_for == "ghcr.io did not answer: ReadTimeout; Greenroom tries again"
    assert stages.step("integration", facts(resolved=None)) is State.REQUESTED
    assert stages.promotion("integration").waiting_for == "CI has not pushed all images of the release yet"
    assert stages.step("integration", facts(progress=UNDER_WAY)) is State.DEPLOYING
    assert stages.promotion("integration").waiting_for == ""


def test_expired_promotion_names_what_was_unavailable(stages: Stages) -> None:
    stages.request("integration")
    outage = Facts(unavailable=ServiceUnavailable("the registry ghcr.io cannot be reached"))
    stages.step("integration", outage)
    stages.later(hours=1)
    assert stages.step("integration", outage) is State.EXPIRED
    assert "the registry ghcr.io cannot be reached" in stages.promotion("integration").reason
