"""Compares every message on GitHub with tests/snapshots/.

`UPDATE_SNAPSHOTS=1 pytest tests/unit/github/test_messages.py` renews them; read the difference.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.outcome import Outcome, Result, StatusAnswer
from bot.commands.table import Verb
from bot.github.messages import commands as texts_commands
from bot.github.messages import drift as texts_drift
from bot.github.messages import environment as texts
from bot.github.messages import promotion as texts_promotion
from bot.github.messages.stages import REQUIREMENTS
from bot.model.environment import CheckResult, CheckState, EnvironmentState, StatusMessage
from bot.model.promotion import GateResult, Hold, Lock, Promotion, TimelineEntry
from bot.promotions.gates import GATES
from bot.promotions.refusals import ConfigurationUnusable
from bot.promotions.views import PipelineView, StageView
from tests.unit.github import stages
from tests.unit.github.answers import ANSWERS, COMMENT
from tests.unit.github.drifts import DRIFTS
from tests.unit.github.previews import HOSTILE, NEW, NOW, PENDING, PLACE, PREVIEWS, READY, rendered
from tests.unit.github.promotions import PROMOTIONS

SNAPSHOTS = Path(__file__).parents[2] / "snapshots"


@pytest.mark.parametrize("name", PREVIEWS)
def test_environment_messages_equal_the_snapshot(name: str) -> None:
    snapshot = SNAPSHOTS / f"{name}.md"
    _compare(snapshot, rendered(*PREVIEWS[name]))


@pytest.mark.parametrize("name", ANSWERS)
def test_command_answers_equal_the_snapshot(name: str) -> None:
    _compare(SNAPSHOTS / f"answer-{name}.md", texts_commands.answer(*ANSWERS[name], COMMENT) + "\n")


@pytest.mark.parametrize("name", PROMOTIONS)
def test_promotion_messages_equal_the_snapshot(name: str) -> None:
    promotion = PROMOTIONS[name]
    text = f"{texts_promotion.comment(promotion)}\n\n---\n\n{texts_promotion.deployment(promotion)}\n"
    _compare(SNAPSHOTS / f"promotion-{name}.md", text)


def test_cancelled_check_runs_equal_the_snapshot() -> None:
    outputs = [texts.cancelled(False, NEW), texts.cancelled(True, NEW)]
    _compare(
        SNAPSHOTS / "cancelled.md",
        "\n\n".join(f"{output.title}: {output.summary}" for output in outputs) + "\n",
    )


def test_retired_deployment_equals_the_snapshot() -> None:
    _compare(SNAPSHOTS / "deployment-retired.md", texts.deployment_retired() + "\n")


@pytest.mark.parametrize("name", DRIFTS)
def test_drift_messages_equal_the_snapshot(name: str) -> None:
    record = DRIFTS[name]
    body = texts_drift.issue_body(record) if record.confirmed else texts_drift.closed_body(record)
    texts = (texts_drift.issue_title(record), body, texts_drift.answer_text(record.key.name, record))
    _compare(SNAPSHOTS / f"drift-{name}.md", "\n\n---\n\n".join(texts) + "\n")


def _compare(snapshot: Path, text: str) -> None:
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(text)
    assert snapshot.read_text() == text


def test_every_snapshot_is_used() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.md")} == {
        *PREVIEWS,
        *(f"answer-{name}" for name in ANSWERS),
        *(f"promotion-{name}" for name in PROMOTIONS),
        *(f"drift-{name}" for name in DRIFTS),
        "cancelled",
        "deployment-retired",
    }


def test_comment_lists_suggested_commands() -> None:
    assert "Commands" not in texts.comment(READY, PLACE)
    comment = texts.comment(READY, PLACE, {"/extend 24h": "keeps it longer"})
    assert "Commands: `/extend 24h` keeps it longer" in comment


@pytest.mark.parametrize("size", [100, 70_000, 400_000])
def test_quoted_logs_fit_githubs_limits(size: int) -> None:
    flood = "ü`" * (size // 2) + "\nthe last line"
    failed = replace(PENDING, state=EnvironmentState.FAILED, cause=StatusMessage(flood, flood))
    assert len(texts.comment(failed, PLACE)) <= 65_536
    named = CheckResult("smoke", CheckState.FAILED, flood, flood)
    for output in (texts.check(failed, PLACE), texts.named_check(named, PLACE)):
        assert len(output.title) <= 120
        assert len(output.summary.encode()) <= 65_535
        assert output.text is not None
        assert len(output.text.encode()) <= 65_535
        assert "the last line" in output.text
    assert len(texts.deployment(failed)) <= 140
    assert len(texts.deployment_ended(replace(failed, state=EnvironmentState.GONE))) <= 140


def test_typed_text_is_escaped_in_answers() -> None:
    for name in ("mistyped-with-hostile-words", "why"):
        answer = texts_commands.answer(*ANSWERS[name], COMMENT)
        answer = answer.removesuffix(texts_commands.command_marker(COMMENT))
        outside_of_code = re.sub(r"\\.|(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", answer, flags=re.DOTALL)
        assert "<" not in outside_of_code
        assert "@acme" not in outside_of_code
        assert "](https://evil" not in outside_of_code


def test_hostile_text_is_escaped_in_comments() -> None:
    failed = replace(PENDING, state=EnvironmentState.FAILED, cause=StatusMessage(HOSTILE))
    comment = texts.comment(failed, PLACE)
    visible = comment.removesuffix(texts.marker(PLACE.key))
    assert "<" not in visible
    assert "@acme" not in visible
    assert "](https://evil" not in visible


def test_stage_answers_fit_githubs_limits() -> None:
    flood = "<@_|`\n" * 2_000
    production = stages.PRODUCTION
    timeline = (TimelineEntry(NOW, flood, flood),) * 60
    promotion = replace(stages.GONE_BACK, reason=flood, detail=flood, timeline=timeline, requested_by=flood)
    pending = replace(production.waiting[0], promotion=promotion_of(production, flood))
    entry = replace(production.audit[0], reason=flood, actor=flood, before=flood, after=flood)
    flooded = replace(
        production,
        lock=Lock(flood, NOW, NOW, flood),
        hold=Hold(flood, NOW, flood),
        waiting=(pending,) * 2,
        verified=production.verified * 10,
        promotions=(promotion,) * 10,
        audit=(entry,) * 20,
    )
    pipeline = PipelineView((flooded,) * 20, (), ConfigurationUnusable(flood, has_errors=True))
    for verb in (Verb.STATUS, Verb.WHY):
        for stage in (None, flooded):
            account = StatusAnswer(7, None, pipeline, stage)
            outcome = Outcome(Result.REPORTED, verb, stage="production" if stage else "")
            assert len(texts_commands.answer(outcome, account, COMMENT)) <= 65_536


def promotion_of(stage: StageView, by: str) -> Promotion:
    gates = tuple(GateResult("gate", passed=False, reason=by) for _ in range(12))
    return replace(stage.waiting[0].promotion, requested_by=by, gates=gates)


def test_every_requirement_has_a_sentence() -> None:
    assert list(REQUIREMENTS) == list(GATES)
