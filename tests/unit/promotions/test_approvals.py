"""Approvals and reviews that a promotion requires."""

from typing import Any

import pytest

from bot.model.promotion import PromotionState as State
from bot.model.release import Origin
from tests.unit.promotions.stage_fixtures import (
    PIPELINE,
    Stages,
    facts,
    refused,
    release,
)


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


def test_command_line_gives_one_approval(stages: Stages) -> None:
    """Its names are not verified: one operator can use any."""
    _ready_for_production(stages)
    for name in ("bob", "cem", "Eve"):
        stages.approve("production", "p9", f"{name}@command-line")
    assert stages.step("production", facts(), "p9") is State.AWAITING_APPROVAL
    stages.approve("production", "p9", "cem")
    assert stages.step("production", facts(), "p9") is State.DEPLOYING


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
        ({"head": "f" * 40}, "the reviews of #7 are for fffffff, not for aaaaaaa; promote fffffff instead"),
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


def test_changed_host_voids_approvals(stages: Stages) -> None:
    _ready_for_production(stages)
    stages.approve("production", "p9", "bea")
    stages.approve("production", "p9", "cem")
    moved = PIPELINE.replace("soak: 30m", "soak: 30m, host: shop.example.com")
    assert stages.step("production", facts(text=moved), "p9") is State.AWAITING_APPROVAL


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
