"""Lookup of a stage by name, also of mistyped and of removed ones."""

from __future__ import annotations

import pytest

from bot.config.loader import parse_configuration
from bot.model.environment import EnvironmentKey
from bot.model.errors import ConfigurationError, GreenroomError, Unavailable
from bot.model.promotion import Pin, StageRecord
from bot.promotions.refusals import Refusal
from bot.promotions.stage_lookup import StageLookup
from tests.unit.promotions.stage_fixtures import PIPELINE, SHOP, refused

TEXT = f"{PIPELINE}demo:\n  sales: {{release: v1}}\n  training: {{}}\n"
PERF = EnvironmentKey.stage(SHOP.id, "perf")
"""It has a target but is no longer configured."""
SALES = EnvironmentKey.demo(SHOP.id, "sales")


def lookup(problem: GreenroomError | None = None) -> StageLookup:
    records = {PERF: StageRecord(PERF, SHOP), SALES: StageRecord(SALES, SHOP, pin=Pin("v1", ""))}
    if problem is not None:
        return StageLookup(SHOP, records, problem=problem)
    return StageLookup(SHOP, records, TEXT, parse_configuration(TEXT))


@pytest.mark.parametrize("reasoned", [False, True])
@pytest.mark.parametrize("typed", ["stagin", "Staging", "stagging", "prod", "int"])
def test_mistyped_stage_is_not_found(typed: str, reasoned: bool) -> None:
    with refused(r"There is no stage .* Did you mean `(staging|production|integration)`\?"):
        lookup().parse_target((typed, "please"), reasoned=reasoned)


def test_reason_needs_no_stage() -> None:
    assert lookup().parse_target((), reasoned=False) == (None, "")
    assert lookup().parse_target(("not", "today"), reasoned=True) == (None, "not today")
    assert lookup().parse_target(("staging", "not", "today"), reasoned=True) == ("staging", "not today")
    with refused("There is no stage now"):
        lookup().parse_target(("now",), reasoned=False)


@pytest.mark.parametrize("word", ["live", "uat", "no", "broken"])
def test_lone_word_that_is_no_stage_is_refused(word: str) -> None:
    """It may be the name of a stage of another repository."""
    with refused(rf"There is no stage {word} \(stages: integration, security"):
        lookup().parse_target((word,), reasoned=True)


def test_names_in_other_case_are_suggested() -> None:
    for find in (lookup().configured, lookup().existing, lookup().movable):
        with refused("Did you mean `staging`"):
            find("STAGING")


def test_removed_stage_accepts_no_promotion() -> None:
    names = lookup()
    assert names.existing("perf") == names.movable("perf") == PERF
    assert names.parse_target(("perf", "is", "slow"), reasoned=True) == ("perf", "is slow")
    with refused(r"There is no stage perf \(stages: integration, security"):
        names.configured("perf")


@pytest.mark.parametrize("problem", [ConfigurationError("line 3"), Unavailable("GitHub does not answer.")])
def test_existing_stages_are_found_without_configuration(problem: GreenroomError) -> None:
    names = lookup(problem)
    assert names.existing("perf") == names.movable("perf") == PERF
    assert names.parse_target(("perf", "is", "slow"), reasoned=True) == ("perf", "is slow")
    with refused("sales is pinned to v1"):
        names.movable("sales")
    for doubtful in (
        lambda: names.configured("integration"),
        lambda: names.existing("integration"),
        lambda: names.parse_target(("integration",), reasoned=True),
    ):
        with pytest.raises((Refusal, Unavailable), match=str(problem)):
            doubtful()


def test_pinned_demo_rejects_commands() -> None:
    for moving in (lookup().configured, lookup().movable):
        with refused(r"sales is pinned to v1 in \.greenroom\.yml, line 12"):
            moving("sales")
        assert moving("training") == EnvironmentKey.demo(SHOP.id, "training")
    assert lookup().existing("sales") == SALES
