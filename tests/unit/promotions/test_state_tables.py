"""A state that is missing in one of the tables by state fails here, not while a promotion runs."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from bot.github.messages import promotion as messages
from bot.github.messages import stage_summary, stages
from bot.github.reporter import plan_promotion
from bot.model.promotion import ACTIVE, PENDING, PromotionState
from bot.promotions import stage_aggregate, state_machine


@pytest.mark.parametrize(
    "table",
    [state_machine._STEPS, stage_aggregate.STATE_TIMEOUTS, stages._SYMBOLS, stage_summary._PROGRESS],
    ids=["steps", "timeouts", "symbols", "progress"],
)
def test_every_unfinished_state_has_an_entry(table: Collection[PromotionState]) -> None:
    assert set(table) == PENDING | ACTIVE


def test_every_state_has_a_headline() -> None:
    assert set(messages._HEADLINES) == set(PromotionState)


def test_every_state_that_changes_the_stage_has_a_deployment_state() -> None:
    assert ACTIVE - {PromotionState.ROLLING_BACK} <= set(plan_promotion._DEPLOYED)
