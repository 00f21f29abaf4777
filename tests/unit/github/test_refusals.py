"""Every refusal of a command names the next step."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from bot.github.messages.refusals import refusal
from bot.model.promotion import PromotionState
from bot.promotions import refusals
from bot.promotions.refusals import Objection, PromotionProblem, RefusalReason, ReleaseProblem, StageProblem
from tests.unit.promotions.stage_fixtures import release

_UNTIL = datetime(2026, 11, 24, 11, tzinfo=UTC)
_OF_PROMOTIONS = (ReleaseProblem.UNKNOWN, ReleaseProblem.NO_IMAGE)
"""The messages of promotions and demos add the next step."""
REASONS: list[RefusalReason] = [
    *(refusals.StageRefusal(problem, "staging") for problem in StageProblem),
    *(
        refusals.PromotionRefusal(problem, "c0ffee1234", PromotionState.DEPLOYING, "staging")
        for problem in PromotionProblem
    ),
    *(
        refusals.NoRelease(problem, "a" * 40, "v2", "b" * 40, ("next", "main"), ("build",))
        for problem in ReleaseProblem
        if problem not in (ReleaseProblem.UNKNOWN, ReleaseProblem.NO_IMAGE)
    ),
    *(refusals.ApprovalInvalid(objection, ("ops",)) for objection in Objection),
    refusals.UnknownTarget("stage", "stagin", ("staging",), (), "staging"),
    refusals.NoConfiguration("staging"),
    refusals.ConfigurationUnusable("line 4, stages: unknown field", has_errors=True),
    refusals.DemoIsPinned("sales", "v2", 12),
    refusals.StageActive("staging", "c0ffee1234", "bea"),
    refusals.StageIsLocked("staging", "bea", _UNTIL, "load test"),
    refusals.LockedByOther("staging", "bea"),
    refusals.LockTooLong(14),
    refusals.AlreadyOnHold("staging", "the check smoke failed"),
    refusals.AlreadyPaused("c0ffee1234", "bea"),
    refusals.ApprovalForOther("staging", release()),
    refusals.AmbiguousRelease("staging", "aaaaaaa", ("0d57a85b22ba", "1d57a85b22ba")),
    refusals.OtherPullRequest("staging", 8),
    refusals.UnknownPullRequest(99),
    refusals.NoPromotion("approve", "staging"),
    refusals.NoPromotion("pause", None),
    refusals.AmbiguousPromotion("pause", ("staging", "production")),
]
_NEXT = re.compile(
    r"`/\w+|`greenroom \w+|\b(Did you mean|ask|repeat|review|reopen|name|open|merge|check|fix|change|correct|"
    r"remove it|only bea or a user|approvals count only from|shows a missing permission)\b"
)


@pytest.mark.parametrize("reason", REASONS, ids=repr)
def test_refusal_names_the_next_step(reason: RefusalReason) -> None:
    assert _NEXT.search(refusal(reason)), refusal(reason)
