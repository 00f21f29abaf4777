"""Views of stages and of pending promotions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.config.loader import parse_configuration
from bot.github.messages.stage_summary import approvers, deadline_label, stage_headline, waits_for
from bot.model.environment import CheckResult, CheckState, EnvironmentState
from bot.model.promotion import ACTIVE, PENDING, Approval, GateResult, Lock, Promotion
from bot.model.promotion import PromotionState as State
from bot.promotions.pipeline import configuration_digest, in_order
from bot.promotions.view_builder import pending_promotion, stage_view
from bot.promotions.views import StageView
from tests.unit.promotions.stage_fixtures import NOW, PIPELINE, Stages, aggregate, facts, promotion, release

CONFIGURATION = parse_configuration(PIPELINE)
DIGEST = configuration_digest(CONFIGURATION, "production")


def story(stages: Stages, name: str) -> StageView:
    found = stages.aggregate(name)
    ended = (State.SUCCEEDED, State.ROLLED_BACK)
    under_way = [each for each in found.promotions.values() if each.state not in ended]
    return stage_view(found.stage, None, under_way, stages.now)


def waiting(**fields: object) -> Promotion:
    known: dict[str, object] = {
        "release": release(),
        "policy": PIPELINE,
        "configuration_digest": DIGEST,
        "state": State.AWAITING_APPROVAL,
        **fields,
    }
    return replace(promotion("production"), **known)  # type: ignore[arg-type]  # its fields


def waits(one: Promotion) -> tuple[str, ...]:
    return waits_for(pending_promotion(one, NOW))


def test_nothing_runs_where_nothing_was_promoted() -> None:
    told = story(Stages(), "staging")
    assert stage_headline(told) == "Nothing runs on staging."
    assert (told.release, told.since, told.pending_promotions) == (None, None, ())


def test_what_runs_is_told_with_its_commit_and_since_when() -> None:
    stages = Stages()
    stages.run("integration", release(), "p1")
    begun = stages.now
    stages.later(hours=3)
    told = story(stages, "integration")
    assert stage_headline(told) == f"Release `{release().id}` of `aaaaaaa` runs on integration."
    assert (told.since, told.verified_at) == (begun, begun)
    assert told.has_verified({release().id})
    assert not told.has_verified({release("b").id})


def test_what_moves_a_stage_is_told_and_what_waits_behind_it() -> None:
    stages = Stages()
    stages.ask("integration", id="p1")
    stages.step("integration", facts(), "p1")
    stages.later(minutes=1)
    stages.ask("integration", by="", id="p2")
    told = story(stages, "integration")
    assert told.active is not None
    assert told.active.promotion.id == "p1"
    assert waits_for(told.active) == ("rolling out",)
    assert "is being promoted to integration: deploying" in stage_headline(told)
    assert [each.promotion.id for each in told.waiting] == ["p2"]
    assert [each.promotion.id for each in told.pending_promotions] == ["p1", "p2"]


def test_what_a_stage_went_back_to_counts_as_verified_whichever_promotion_brought_it() -> None:
    stages = Stages()
    stages.run("integration", release("a"), "p1")
    stages.run("integration", release("b"), "p2")
    found = stages.aggregate("integration")
    back = replace(found.stage.verified[0].target, serial=99)
    told = stage_view(replace(found.stage, target=back), None, (), stages.now)
    assert told.verified_at == found.stage.verified[0].at
    assert [each.target.release for each in told.verified] == [release("b"), release("a")]


def test_a_release_that_was_not_verified_is_told_as_such() -> None:
    stages = Stages()
    stages.run("integration", release(), "p1")
    told = stage_view(replace(stages.aggregate("integration").stage, verified=()), None, (), stages.now)
    assert stage_headline(told).endswith("runs on integration (not verified).")


def test_what_does_not_come_up_is_not_said_to_run() -> None:
    stages = Stages()
    stages.run("integration", release(), "p1")
    told = replace(story(stages, "integration"), state=EnvironmentState.FAILED)
    assert stage_headline(told).endswith("of `aaaaaaa` does not start on integration.")


def test_a_lock_is_told_until_it_expires() -> None:
    lock = Lock("bea", NOW, NOW + timedelta(hours=1))
    record = aggregate(lock=lock).stage
    assert stage_view(record, None, (), NOW).lock == lock
    assert stage_view(record, None, (), lock.until).lock is None


def test_a_promotion_waits_for_shut_gates_and_missing_approvals() -> None:
    gates = (GateResult("after", True), GateResult("freeze", False, "frozen until Monday"))
    approval = Approval("bea", NOW, release().id, DIGEST)
    one = waiting(gates=gates, approvals=(approval,), authors=("ada", "dora"))
    found = pending_promotion(one, NOW)
    assert waits_for(found) == (
        "frozen until Monday",
        "needs 2 approvals within 24 hours (1 given)",
    )
    assert approvers(found) == "anyone with write access except ada (requester) and dora (author)"
    assert (deadline_label(found), found.until) == ("Times out", one.deadline)


def test_an_approval_for_another_configuration_is_not_counted() -> None:
    assert waits(waiting(approvals=(Approval("bea", NOW, release().id, "other"),))) == (
        "needs 2 approvals within 24 hours",
    )


def test_who_is_approved_waits_for_nobody() -> None:
    approvals = tuple(Approval(by, NOW, release().id, DIGEST) for by in ("bea", "cem"))
    found = pending_promotion(waiting(approvals=approvals), NOW)
    assert (waits_for(found), approvers(found)) == (("continuing shortly",), "")


def test_a_paused_one_says_so() -> None:
    approvals = tuple(Approval(by, NOW, release().id, DIGEST) for by in ("bea", "cem"))
    assert waits(waiting(approvals=approvals, paused_by="cem")) == ("paused by cem",)


def test_a_verification_names_the_checks_that_still_run_and_a_soak_its_end() -> None:
    checks = (CheckResult("http", CheckState.PASSED), CheckResult("smoke", CheckState.RUNNING))
    assert waits(waiting(state=State.VERIFYING, checks=checks)) == ("running checks: smoke",)
    found = pending_promotion(waiting(state=State.SOAKING), NOW)
    assert (deadline_label(found), found.until) == ("Continues", NOW + timedelta(minutes=30))


def test_every_open_state_waits_for_something() -> None:
    for state in PENDING | ACTIVE:
        assert waits(waiting(state=state))


def test_stages_are_told_in_the_order_of_the_pipeline() -> None:
    text = PIPELINE[: PIPELINE.index("stages:")] + (
        "stages:\n  production: {after: [staging]}\n  security: {}\n"
        "  staging: {after: {one_of: [security, integration]}}\n  integration: {}\n"
    )
    assert in_order(parse_configuration(text).stages) == ["security", "integration", "staging", "production"]
    assert in_order(CONFIGURATION.stages) == list(CONFIGURATION.stages)
