"""Each promotion records the versions of the secrets that its release ran with."""

from __future__ import annotations

from dataclasses import replace

from bot.github.messages.promotion import comment
from bot.model.promotion import PromotionState as State
from bot.model.secret import SecretRecord
from bot.promotions import stage_actions
from tests.unit.promotions.stage_fixtures import BROKEN, PIPELINE, VERIFIED, Stages, facts, promotion, release

FIRST = {"MAIL": SecretRecord("m"), "STRIPE": SecretRecord("s1", "1"), "TOKEN": SecretRecord("t", "4", True)}
ROTATED = {**FIRST, "STRIPE": SecretRecord("s2", "2")}
RAN_FIRST = replace(VERIFIED, secrets=FIRST)
RAN_ROTATED = replace(VERIFIED, secrets=ROTATED)


def run(stages: Stages, commit: str, id: str) -> None:
    """A promotion that succeeds with the first values."""
    stages.request("integration", id=id)
    stages.step("integration", facts(release(commit)), id)
    assert stages.step("integration", facts(release(commit), progress=RAN_FIRST), id) is State.SUCCEEDED


def test_promotion_records_versions_and_follows_a_rotation_until_it_ends(stages: Stages) -> None:
    text = PIPELINE.replace("integration: {}", "integration: {soak: 1h}")
    stages.request("integration")
    stages.step("integration", facts(text=text))
    stages.step("integration", facts(text=text, progress=RAN_FIRST))
    assert stages.promotion("integration").secrets == {"MAIL": "", "STRIPE": "1", "TOKEN": "4"}
    stages.step("integration", facts(text=text, progress=RAN_ROTATED))
    assert stages.promotion("integration").secrets["STRIPE"] == "2"
    stages.later(hours=1)
    assert stages.step("integration", facts(text=text, progress=RAN_ROTATED)) is State.SUCCEEDED
    assert stages.promotion("integration").secrets["STRIPE"] == "2"


def test_failed_promotion_keeps_its_versions_and_names_what_the_rollback_left(stages: Stages) -> None:
    run(stages, "a", "p1")
    stages.request("integration", id="p2")
    stages.step("integration", facts(release("b")), "p2")
    stages.step("integration", facts(release("b"), progress=replace(BROKEN, secrets=FIRST)), "p2")
    assert stages.state("integration", "p2") is State.ROLLING_BACK
    stages.step("integration", facts(release("b"), progress=RAN_ROTATED), "p2")
    ended = stages.promotion("integration", "p2")
    assert ended.state is State.ROLLED_BACK
    assert ended.secrets["STRIPE"] == "1"
    assert "code and configuration; `MAIL`, `STRIPE` have their current values." in comment(ended)


def test_requested_rollback_records_the_current_versions(stages: Stages) -> None:
    run(stages, "a", "p1")
    run(stages, "b", "p2")
    asked = promotion("integration", "bea", "p3", stages.now)
    stages.aggregates["integration"] = stage_actions.begin_rollback(
        stages.aggregate("integration"), asked, stages.now
    )
    assert stages.step("integration", facts(progress=RAN_ROTATED), "p3") is State.ROLLED_BACK
    assert stages.promotion("integration", "p1").secrets["STRIPE"] == "1"
    assert stages.promotion("integration", "p3").secrets["STRIPE"] == "2"
    assert "`MAIL`, `STRIPE` have their current values." in comment(stages.promotion("integration", "p3"))
