"""The gate for the checks of a release's preview."""

from __future__ import annotations

import pytest

from bot.model.promotion import PromotionState as State
from bot.model.release import Origin
from bot.promotions.facts import Facts, PreviewChecks
from tests.unit.promotions.stage_fixtures import PIPELINE, Stages, facts, release

FAILED = PreviewChecks.of(release().commit, ["smoke", "e2e"], {"smoke": False, "e2e": True})
UNKNOWN = PreviewChecks.of(release().commit, ["smoke"], None)
PASSED = PreviewChecks.of(release().commit, ["smoke"], {"smoke": True, "old": False})


def setting(value: str) -> str:
    """The pipeline in which staging protects nothing and production is protected."""
    text = PIPELINE.replace("{after: [integration, security],", "{").replace("after: [staging], ", "")
    if not value:
        return text
    stages = ("staging: {", "production: {")
    for stage in stages:
        text = text.replace(stage, f"{stage}preview_checks: {value}, ")
    return text


def promote(stages: Stages, stage: str, results: PreviewChecks | None, text: str, **fields: object) -> State:
    stages.request(stage)
    seen: Facts = facts(fields.pop("release", None), text, preview_checks=results, **fields)  # type: ignore[arg-type]
    return stages.step(stage, seen)


@pytest.mark.parametrize(
    ("stage", "value", "blocked"),
    [
        ("staging", "", False),
        ("staging", "warn", False),
        ("staging", "block", True),
        ("production", "", True),
        ("production", "warn", False),
        ("production", "block", True),
    ],
)
def test_failed_preview_check_blocks_or_warns(stages: Stages, stage: str, value: str, blocked: bool) -> None:
    state = promote(stages, stage, FAILED, setting(value))
    assert (state is State.REJECTED) is blocked
    [gate] = [gate for gate in stages.promotion(stage).gates if gate.name == "preview.checks"]
    assert gate.passed is not blocked
    assert gate.reason == (
        "checks failed in the preview of aaaaaaa: smoke (`/preview refresh` runs them again)"
    )


def test_passed_and_removed_checks_pass_the_gate(stages: Stages) -> None:
    assert promote(stages, "production", PASSED, setting("")) is State.AWAITING_APPROVAL
    assert not any(gate.reason for gate in stages.promotion("production").gates)


def test_checks_without_a_result_fail_closed_where_the_stage_blocks(stages: Stages) -> None:
    assert promote(stages, "production", UNKNOWN, setting("")) is State.REJECTED
    assert "no preview ran these checks for aaaaaaa: smoke" in stages.promotion("production").reason
    assert promote(stages, "staging", UNKNOWN, setting("")) is State.DEPLOYING


def test_unread_results_wait_where_the_stage_blocks(stages: Stages) -> None:
    assert promote(stages, "production", None, setting("")) is State.GATING
    assert promote(stages, "staging", None, setting("")) is State.DEPLOYING


def test_build_of_the_default_branch_passes_with_a_warning(stages: Stages) -> None:
    built = release(origin=Origin.DEFAULT_BRANCH)
    assert promote(stages, "production", UNKNOWN, setting(""), release=built) is State.AWAITING_APPROVAL
    [warning] = [gate.reason for gate in stages.promotion("production").gates if gate.reason]
    assert "no preview ran these checks" in warning


def test_failed_check_of_the_pull_request_blocks_the_build_of_its_merge(stages: Stages) -> None:
    built = release("b", origin=Origin.DEFAULT_BRANCH)
    assert promote(stages, "production", FAILED, setting(""), release=built) is State.REJECTED
    assert "preview of aaaaaaa" in stages.promotion("production").reason
