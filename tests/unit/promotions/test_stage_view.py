"""Views of stages and of pending promotions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.config.loader import parse_configuration
from bot.github.messages.stage_summary import approvers, deadline_label, stage_headline, waits_for
from bot.github.messages.stages import status
from bot.model.environment import CheckResult, CheckState, Environment, EnvironmentState, Status
from bot.model.promotion import ACTIVE, PENDING, Approval, GateResult, Lock, Promotion
from bot.model.promotion import PromotionState as State
from bot.model.release import PromotableRelease
from bot.promotions.pipeline import configuration_digest, in_order
from bot.promotions.stage_aggregate import rollback_target
from bot.promotions.view_builder import pending_promotion, stage_view
from bot.promotions.views import StageView
from bot.web.pages.badge import Badge, badge
from tests.unit.promotions.stage_fixtures import (
    NOW,
    PIPELINE,
    Stages,
    aggregate,
    environment_of,
    facts,
    promotion,
    release,
)

CONFIGURATION = parse_configuration(PIPELINE)
DIGEST = configuration_digest(CONFIGURATION, "production")


def view_of(stages: Stages, name: str) -> StageView:
    selected = stages.aggregate(name)
    ended = (State.SUCCEEDED, State.ROLLED_BACK)
    under_way = [pending for pending in selected.promotions.values() if pending.state not in ended]
    return stage_view(selected.stage, environment_of(selected.stage), under_way, stages.now)


def waiting(**fields: object) -> Promotion:
    defaults: dict[str, object] = {
        "release": release(),
        "policy": PIPELINE,
        "configuration_digest": DIGEST,
        "state": State.AWAITING_APPROVAL,
        **fields,
    }
    return replace(promotion("production"), **defaults)  # type: ignore[arg-type]  # its fields


def waits(promotion_waiting: Promotion) -> tuple[str, ...]:
    return waits_for(pending_promotion(promotion_waiting, NOW))


def test_view_of_an_empty_stage() -> None:
    view = view_of(Stages(), "staging")
    assert stage_headline(view) == "Nothing runs on staging."
    assert (view.release, view.since, view.pending_promotions) == (None, None, ())


def test_status_names_the_target_of_a_rollback_as_the_command_chooses_it() -> None:
    """Nothing while nothing runs; the same release with another configuration is a target."""
    stages = Stages()
    stages.run("integration", release("a"), "p1")
    stages.run("integration", release("b"), "p2")
    stages.run(
        "integration",
        release("b"),
        "p3",
        text=PIPELINE.replace("integration: {}", "integration: {config: {COLOUR: red}}"),
    )
    text = "\n".join(status(view_of(stages, "integration")))
    marked = [line for line in text.splitlines() if "target of" in line]
    back = rollback_target(stages.aggregate("integration").stage)
    assert back is not None
    assert (back.promotion, len(marked)) == ("p2", 1)
    assert release("b").id in marked[0]

    emptied = stages.aggregate("integration").set_target(None, NOW, "")
    assert rollback_target(emptied.stage) is None
    assert "target of" not in "\n".join(status(stage_view(emptied.stage, None, (), NOW)))


def test_view_shows_release_commit_and_time() -> None:
    stages = Stages()
    stages.run("integration", release(), "p1")
    begun = stages.now
    stages.later(hours=3)
    view = view_of(stages, "integration")
    assert stage_headline(view) == f"Release `{release().id}` of `aaaaaaa` runs on integration."
    assert (view.since, view.verified_at) == (begun, begun)
    assert view.has_verified({release().id})
    assert not view.has_verified({release("b").id})


def test_view_shows_active_and_waiting_promotions() -> None:
    stages = Stages()
    stages.request("integration", id="p1")
    stages.step("integration", facts(), "p1")
    stages.later(minutes=1)
    stages.request("integration", by="", id="p2")
    view = view_of(stages, "integration")
    assert view.active is not None
    assert view.active.promotion.id == "p1"
    assert waits_for(view.active) == ("rolling out",)
    assert "is being promoted to integration: deploying" in stage_headline(view)
    assert [pending.promotion.id for pending in view.waiting] == ["p2"]
    assert [pending.promotion.id for pending in view.pending_promotions] == ["p1", "p2"]


def test_view_shows_a_restored_release_as_verified() -> None:
    stages = Stages()
    stages.run("integration", release("a"), "p1")
    stages.run("integration", release("b"), "p2")
    selected = stages.aggregate("integration")
    back = replace(selected.stage.verified[0].target, serial=99)
    view = stage_view(replace(selected.stage, target=back), None, (), stages.now)
    assert view.verified_at == selected.stage.verified[0].at
    assert [verified.target.release for verified in view.verified] == [release("b"), release("a")]


def test_view_marks_an_unverified_release() -> None:
    stages = Stages()
    stages.run("integration", release(), "p1")
    record = replace(stages.aggregate("integration").stage, verified=())
    view = stage_view(record, environment_of(record), (), stages.now)
    assert stage_headline(view).endswith("runs on integration (not verified).")


def test_view_of_a_failed_stage() -> None:
    stages = Stages()
    stages.run("integration", release(), "p1")
    view = replace(view_of(stages, "integration"), state=EnvironmentState.FAILED)
    assert stage_headline(view).endswith("of `aaaaaaa` failed on integration.")


def test_view_shows_what_runs_while_a_release_is_deployed() -> None:
    stages = Stages()
    stages.run("integration", release("a"), "p1")
    running = environment_of(stages.aggregate("integration").stage)
    assert running is not None
    stages.request("integration", id="p2")
    stages.step("integration", facts(release("b")), "p2")
    record = stages.aggregate("integration").stage
    promotions = [stages.promotion("integration", "p2")]
    for environment in (replace(running, generation=2), _deploying(running, release("b"))):
        view = stage_view(record, environment, promotions, stages.now)
        assert (view.release, view.running) == (release("b"), release("a"))
        assert stage_headline(view) == (
            f"Release `{release('b').id}` of `bbbbbbb` is being promoted to integration: deploying. "
            f"Release `{release('a').id}` of `aaaaaaa` still runs."
        )
    live = replace(running.status, commit=release("b").commit, live_commit=release("b").commit)
    view = stage_view(record, replace(running, status=live), promotions, stages.now)
    assert view.running == release("b")


def test_stage_with_failed_checks_is_not_shown_as_verified() -> None:
    stages = Stages()
    stages.run("integration", release(), "p1")
    view = replace(view_of(stages, "integration"), state=EnvironmentState.CHECKS_FAILED)
    assert stage_headline(view).endswith("runs on integration, but its checks failed.")
    assert badge(view) == Badge(EnvironmentState.CHECKS_FAILED, "checks failed")


def _deploying(environment: Environment, desired: PromotableRelease) -> Environment:
    status = Status(
        EnvironmentState.PENDING, commit=desired.commit, live_commit=environment.status.live_commit
    )
    return replace(environment, status=status)


def test_view_omits_an_expired_lock() -> None:
    lock = Lock("bea", NOW, NOW + timedelta(hours=1))
    record = aggregate(lock=lock).stage
    assert stage_view(record, None, (), NOW).lock == lock
    assert stage_view(record, None, (), lock.until).lock is None


def test_pending_promotion_lists_gates_and_approvals() -> None:
    gates = (GateResult("after", True), GateResult("freeze", False, "frozen until Monday"))
    approval = Approval("bea", NOW, release().id, DIGEST)
    promotion_waiting = waiting(gates=gates, approvals=(approval,), authors=("ada", "dora"))
    pending = pending_promotion(promotion_waiting, NOW)
    assert waits_for(pending) == (
        "frozen until Monday",
        "needs 2 approvals within 24 hours (1 given)",
    )
    assert approvers(pending) == "anyone with write access except ada (requester) and dora (author)"
    assert (deadline_label(pending), pending.until) == ("Times out", promotion_waiting.deadline)


def test_pending_promotion_names_what_is_unavailable() -> None:
    asked = replace(waiting(), state=State.REQUESTED, waiting_for="the registry cannot be reached")
    assert "the registry cannot be reached" in waits(asked)


def test_pending_promotion_ignores_outdated_approvals() -> None:
    assert waits(waiting(approvals=(Approval("bea", NOW, release().id, "other"),))) == (
        "needs 2 approvals within 24 hours",
    )


def test_approved_promotion_waits_for_no_approver() -> None:
    approvals = tuple(Approval(by, NOW, release().id, DIGEST) for by in ("bea", "cem"))
    pending = pending_promotion(waiting(approvals=approvals), NOW)
    assert (waits_for(pending), approvers(pending)) == (("continuing shortly",), "")


def test_paused_promotion_names_the_user() -> None:
    approvals = tuple(Approval(by, NOW, release().id, DIGEST) for by in ("bea", "cem"))
    assert waits(waiting(approvals=approvals, paused_by="cem")) == ("paused by cem",)


def test_pending_promotion_names_checks_and_end_of_soak() -> None:
    checks = (CheckResult("http", CheckState.PASSED), CheckResult("smoke", CheckState.RUNNING))
    assert waits(waiting(state=State.VERIFYING, checks=checks)) == ("running checks: smoke",)
    pending = pending_promotion(waiting(state=State.SOAKING), NOW)
    assert (deadline_label(pending), pending.until) == ("Continues", NOW + timedelta(minutes=30))


def test_open_states_have_a_reason_to_wait() -> None:
    for state in PENDING | ACTIVE:
        assert waits(waiting(state=state))


def test_stages_are_in_pipeline_order() -> None:
    text = PIPELINE[: PIPELINE.index("stages:")] + (
        "stages:\n  production: {after: [staging]}\n  security: {}\n"
        "  staging: {after: {one_of: [security, integration]}}\n  integration: {}\n"
    )
    assert in_order(parse_configuration(text).stages) == ["security", "integration", "staging", "production"]
    assert in_order(CONFIGURATION.stages) == list(CONFIGURATION.stages)
