"""Which stage somebody means, also when they mistyped it, or the file has it no more."""

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
"""It was promoted to, and left the file."""
SALES = EnvironmentKey.demo(SHOP.id, "sales")


def named(problem: GreenroomError | None = None) -> StageLookup:
    records = {PERF: StageRecord(PERF, SHOP), SALES: StageRecord(SALES, SHOP, pin=Pin("v1", ""))}
    if problem is not None:
        return StageLookup(SHOP, records, problem=problem)
    return StageLookup(SHOP, records, TEXT, parse_configuration(TEXT))


@pytest.mark.parametrize("reasoned", [False, True])
@pytest.mark.parametrize("typed", ["stagin", "Staging", "stagging", "prod", "int"])
def test_what_was_mistyped_is_never_the_promotion_that_happens_to_be_there(
    typed: str, reasoned: bool
) -> None:
    with refused(r"There is no stage .* Did you mean (staging|production|integration)\?"):
        named().parse_target((typed, "please"), reasoned=reasoned)


def test_a_reason_needs_no_stage_where_there_may_be_a_reason() -> None:
    assert named().parse_target((), reasoned=False) == (None, "")
    assert named().parse_target(("not", "today"), reasoned=True) == (None, "not today")
    assert named().parse_target(("staging", "not", "today"), reasoned=True) == ("staging", "not today")
    with refused("There is no stage now"):
        named().parse_target(("now",), reasoned=False)


def test_what_the_file_has_no_more_is_still_kept_and_ended_but_not_promoted_to() -> None:
    names = named()
    assert names.existing("perf") == names.movable("perf") == PERF
    assert names.parse_target(("perf", "is", "slow"), reasoned=True) == ("perf", "is slow")
    with refused(r"There is no stage perf \(stages: integration, security"):
        names.configured("perf")


@pytest.mark.parametrize("problem", [ConfigurationError("line 3"), Unavailable("GitHub does not answer.")])
def test_while_the_file_cannot_be_used_what_stands_is_kept_and_ended(problem: GreenroomError) -> None:
    names = named(problem)
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


def test_a_pinned_demo_is_moved_where_it_is_pinned() -> None:
    for moving in (named().configured, named().movable):
        with refused(r"sales is pinned to v1 in \.greenroom\.yml, line 12"):
            moving("sales")
        assert moving("training") == EnvironmentKey.demo(SHOP.id, "training")
    assert named().existing("sales") == SALES
