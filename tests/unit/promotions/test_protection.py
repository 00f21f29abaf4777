"""Rules of a GitHub Environment, which apply in addition to those of the pipeline."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.github.messages.gate_reasons import rules
from bot.model.promotion import Approval, PromotionState
from bot.model.promotion import PromotionState as State
from bot.model.protection import UNPROTECTED, Branch, Protection, Reviewers
from bot.promotions.approvals import is_approved
from bot.promotions.facts import Facts
from bot.promotions.protection import admits
from bot.promotions.refusals import Refusal
from tests.unit.promotions.stage_fixtures import NOW, PIPELINE, Stages, facts, promotion, refused, release

REVIEWED = Protection(reviewers=Reviewers(("dora",), ("ops",)))
WAITS = Protection(wait=timedelta(minutes=30))
COUNTED = PIPELINE.replace("integration: {}", "integration: {approvals: {count: 2, teams: [web]}}")


def seen(protection: Protection | None, **fields: Any) -> Facts:
    return facts(protection=protection, **fields)


def test_environment_requires_approval_of_its_reviewers(stages: Stages) -> None:
    stages.request("integration", by="bea")
    assert stages.step("integration", seen(REVIEWED)) is State.AWAITING_APPROVAL
    assert stages.promotion("integration").missing == (
        "the GitHub Environment integration requires approval from dora or a member of ops",
    )
    with refused(r"from dora or a member of ops \(GitHub Environment"):
        stages.approve("integration", "p1", "cem", ("web",), REVIEWED)
    stages.approve("integration", "p1", "Dora", (), REVIEWED)
    assert stages.step("integration", seen(REVIEWED)) is State.DEPLOYING
    lines = [line.event for line in stages.promotion("integration").timeline]
    assert "Approved for the GitHub Environment integration" in lines


def test_one_member_of_a_reviewing_team_is_sufficient(stages: Stages) -> None:
    stages.request("integration", by="bea")
    stages.step("integration", seen(REVIEWED))
    stages.approve("integration", "p1", "cem", ("ops",), REVIEWED)
    assert stages.step("integration", seen(REVIEWED)) is State.DEPLOYING


@pytest.mark.parametrize(("by", "reason"), [("dora", "the requester"), ("ada", "an author")])
def test_reviewers_cannot_approve_their_own_promotion(stages: Stages, by: str, reason: str) -> None:
    protection = Protection(reviewers=Reviewers((by,)))
    stages.request("integration", by="dora")
    stages.step("integration", seen(protection))
    with refused(reason):
        stages.approve("integration", "p1", by, (), protection)


def test_approvals_of_pipeline_and_environment_are_required(stages: Stages) -> None:
    stages.request("integration", by="bea")
    assert stages.step("integration", seen(REVIEWED, text=COUNTED)) is State.AWAITING_APPROVAL
    assert len(stages.promotion("integration").missing) == 2
    for person, teams in (("cem", ("web",)), ("eve", ("web",))):
        stages.approve("integration", "p1", person, teams, REVIEWED)
        assert stages.step("integration", seen(REVIEWED, text=COUNTED)) is State.AWAITING_APPROVAL
    stages.approve("integration", "p1", "dora", (), REVIEWED)
    assert stages.step("integration", seen(REVIEWED, text=COUNTED)) is State.DEPLOYING


def test_one_approval_counts_for_pipeline_and_environment(stages: Stages) -> None:
    text = COUNTED.replace("count: 2", "count: 1")
    stages.request("integration", by="bea")
    stages.step("integration", seen(REVIEWED, text=text))
    stages.approve("integration", "p1", "cem", ("web", "ops"), REVIEWED)
    assert stages.promotion("integration").timeline[-1].event == (
        "Approved for the GitHub Environment integration, 1 of 1"
    )
    assert stages.step("integration", seen(REVIEWED, text=text)) is State.DEPLOYING


def test_approvals_of_former_reviewers_do_not_count(stages: Stages) -> None:
    waiting = replace(REVIEWED, wait=timedelta(hours=1))
    stages.request("integration", by="bea")
    stages.step("integration", seen(waiting))
    stages.approve("integration", "p1", "dora", (), waiting)
    assert stages.step("integration", seen(waiting)) is State.QUEUED
    changed = replace(waiting, reviewers=Reviewers(("eve",)))
    assert stages.step("integration", seen(changed)) is State.AWAITING_APPROVAL
    assert any(
        "approvals that no longer count: dora" in c.event for c in stages.promotion("integration").timeline
    )
    stages.later(hours=1)
    stages.approve("integration", "p1", "eve", (), changed)
    assert stages.step("integration", seen(changed)) is State.DEPLOYING


def test_approval_is_repeated_after_joining_the_team(stages: Stages) -> None:
    text = COUNTED.replace("count: 2, teams: [web]", "count: 1")
    stages.request("integration", by="bea")
    stages.step("integration", seen(REVIEWED, text=text))
    stages.approve("integration", "p1", "cem", (), REVIEWED)
    assert stages.step("integration", seen(REVIEWED, text=text)) is State.AWAITING_APPROVAL
    stages.approve("integration", "p1", "cem", ("ops",), REVIEWED)
    stages.approve("integration", "p1", "cem", ("ops",), REVIEWED)
    assert [approval.teams for approval in stages.promotion("integration").approvals] == [("ops",)]
    assert stages.step("integration", seen(REVIEWED, text=text)) is State.DEPLOYING


def test_wait_timer_starts_with_the_request(stages: Stages) -> None:
    stages.request("integration")
    assert stages.step("integration", seen(WAITS)) is State.QUEUED
    [gate] = [gate for gate in stages.promotion("integration").gates if not gate.passed]
    assert gate.reason == "the GitHub Environment integration requires a wait until 04 March, 12:30 UTC"
    assert gate.until == NOW + timedelta(minutes=30)
    stages.later(minutes=29)
    assert stages.step("integration", seen(WAITS)) is State.QUEUED
    stages.later(minutes=1)
    assert stages.step("integration", seen(WAITS)) is State.DEPLOYING


def test_wait_timer_of_30_days_does_not_expire(stages: Stages) -> None:
    protection = Protection(wait=timedelta(days=30))
    stages.request("integration")
    stages.step("integration", seen(protection))
    for _ in range(30):
        assert stages.state("integration") is State.QUEUED
        stages.later(days=1)
        stages.step("integration", seen(protection))
    assert stages.state("integration") is State.DEPLOYING


@pytest.mark.parametrize("state", [State.GATING, State.QUEUED])
def test_unreadable_protection_blocks_the_promotion(stages: Stages, state: State) -> None:
    stages.request("integration")
    if state is State.QUEUED:
        stages.step("integration", seen(WAITS))
        stages.later(hours=1)
    assert stages.step("integration", seen(None)) is state
    assert any("cannot be read" in gate.reason for gate in stages.promotion("integration").gates)
    assert stages.step("integration", seen(UNPROTECTED)) is State.DEPLOYING


def test_unsupported_protection_rule_is_rejected(stages: Stages) -> None:
    stages.request("integration")
    assert (
        stages.step("integration", seen(Protection(unsupported_rules=("of the App quality",))))
        is State.REJECTED
    )
    assert "only GitHub's workflows can enforce: of the App quality" in stages.promotion("integration").reason


@pytest.mark.parametrize(
    ("protection", "branch", "state"),
    [
        (Protection(protected_branches=True), Branch("main", True), State.DEPLOYING),
        (Protection(protected_branches=True), Branch("spring", False), State.REJECTED),
        (Protection(branches=("main",)), Branch("spring"), State.REJECTED),
        (Protection(branches=("spr*",)), Branch("spring"), State.DEPLOYING),
        (Protection(branches=("*",)), Branch(""), State.REJECTED),
        (Protection(branches=()), Branch("main", True), State.REJECTED),
        (Protection(branches=("*",)), None, State.GATING),
        (UNPROTECTED, None, State.DEPLOYING),
    ],
)
def test_release_requires_an_allowed_branch(
    stages: Stages, protection: Protection, branch: Branch | None, state: State
) -> None:
    stages.request("integration")
    assert stages.step("integration", seen(protection, branch=branch)) is state


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("release/*", "release/2", True),
        ("release/*", "release/2/3", False),
        ("release/**", "release/2/3", False),
        ("**/fix", "a/b/fix", True),
        ("**/fix", "fix", True),
        ("*", "release/2", False),
        ("release/[^0-9]", "release/a", True),
        ("release/[^0-9]", "release/1", False),
        ("Main", "main", False),
        ("main", "main/x", False),
    ],
)
def test_branch_patterns_match_as_on_github(pattern: str, name: str, fits: bool) -> None:
    assert admits(Protection(branches=(pattern,)), Branch(name)) is fits


@given(
    st.lists(st.sampled_from(["*", "a*", "?", "b"]), min_size=1, max_size=3),
    st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4),
)
def test_wildcards_match_no_slash(pattern: list[str], name: list[str]) -> None:
    fits = len(pattern) == len(name) and all(fnmatchcase(*pair) for pair in zip(name, pattern, strict=True))
    assert admits(Protection(branches=("/".join(pattern),)), Branch("/".join(name))) is fits


PEOPLE = ("ada", "bea", "cem", "dora")
TEAMS = ("ops", "web")
approvals = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.lists(st.sampled_from(TEAMS), unique=True),
        st.integers(0, 30),
        st.booleans(),
    ),
    max_size=5,
)
reviewers = st.none() | st.builds(
    Reviewers,
    st.lists(st.sampled_from(PEOPLE), unique=True).map(tuple),
    st.lists(st.sampled_from(TEAMS), unique=True).map(tuple),
)


@given(approvals, reviewers, st.sampled_from((0, 1, 2)), st.sampled_from(((), ("web",))))
def test_environment_rules_never_relax_the_pipeline(
    given_by: list[tuple[str, list[str], int, bool]],
    reviewers_of_rule: Reviewers | None,
    count: int,
    teams: tuple[str, ...],
) -> None:
    wants = f"approvals: {{count: {count}, teams: [{', '.join(teams)}]}}" if count else ""
    text = PIPELINE.replace("integration: {}", f"integration: {{{wants}}}")
    given_approvals = tuple(
        Approval(by, NOW - timedelta(hours=hours), release().id, "d" if same else "other", tuple(mine))
        for by, mine, hours, same in given_by
    )
    requested = promotion(
        by="bea", release=release(), authors=("ada",), policy=text, configuration_digest="d"
    )
    bare = replace(requested, approvals=given_approvals)
    protected = replace(bare, protection=Protection(reviewers=reviewers_of_rule))
    counted = {
        approval.by
        for approval in given_approvals
        if approval.configuration_digest == "d" and approval.at > NOW - timedelta(days=1)
    }
    named = {
        approval.by
        for approval in given_approvals
        if reviewers_of_rule is not None
        and (approval.by in reviewers_of_rule.users or set(approval.teams) & set(reviewers_of_rule.teams))
    }
    if is_approved(protected, NOW):
        assert is_approved(bare, NOW)
        assert reviewers_of_rule is None or (counted & named) - {"ada", "bea"}
    if is_approved(bare, NOW) and reviewers_of_rule is None:
        assert is_approved(protected, NOW)


def test_audit_records_the_protection_rules(stages: Stages) -> None:
    stages.request("integration")
    rules = Protection(Reviewers(("dora",)), timedelta(hours=2), branches=("main", "release/*"))
    stages.step("integration", seen(rules, branch=Branch("main")))
    [entry] = [entry for entry in stages.aggregates["integration"].audit if entry.action == "protection"]
    assert entry.before == "nothing"
    assert entry.after == "approval from dora, a wait of 2h, releases of the branch main or release/* only"
    assert stages.state("integration") is PromotionState.AWAITING_APPROVAL


def test_hidden_reviewers_approve_nothing(stages: Stages) -> None:
    assert rules(Protection(Reviewers())) == "approval from reviewers that GitHub does not show"
    stages.request("integration", by="bea")
    assert stages.step("integration", seen(Protection(Reviewers()))) is State.AWAITING_APPROVAL
    with pytest.raises(Refusal):
        stages.approve("integration", "p1", "cem", ("ops",), Protection(Reviewers()))
