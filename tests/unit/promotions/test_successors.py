"""What is reported about a verified release after another one followed it on its stage."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.github.messages import promotion as texts
from bot.model.promotion import ENDED
from bot.model.promotion import PromotionState as State
from bot.promotions import stage_actions
from bot.promotions.refusals import Refusal
from tests.unit.promotions.stage_fixtures import BROKEN, VERIFIED, Stages, facts, promotion, release

STAGE = "integration"


def roll_back(stages: Stages, id: str, by: str = "grace") -> None:
    requested = replace(promotion(STAGE, by, id, stages.now), release=None)
    stages.aggregates[STAGE] = stage_actions.begin_rollback(stages.aggregate(STAGE), requested, stages.now)


def headline(stages: Stages, id: str) -> str:
    return texts.headline(stages.promotion(STAGE, id))


def test_replaced_release_was_verified(stages: Stages) -> None:
    stages.run(STAGE, release("a"), "p1")
    assert "is verified on **integration**" in headline(stages, "p1")
    stages.run(STAGE, release("b"), "p2")
    replaced = stages.promotion(STAGE, "p1")
    assert f"was verified on **integration**; replaced by release `{release('b').id}`." in headline(
        stages, "p1"
    )
    assert "/rollback" not in texts.comment(replaced)
    assert texts.deployment(replaced) == f"Was verified; replaced by release {release('b').id}"


def test_rolled_back_release_names_user_and_release(stages: Stages) -> None:
    stages.run(STAGE, release("a"), "p1")
    stages.run(STAGE, release("b"), "p2")
    roll_back(stages, "r1")
    expected = f"was verified on **integration**; rolled back to release `{release('a').id}` by grace."
    assert expected in headline(stages, "p2")
    assert stages.step(STAGE, facts(progress=VERIFIED), "r1") is State.ROLLED_BACK
    assert expected in headline(stages, "p2")
    assert "was verified on" in headline(stages, "p1"), "the rollback reports what runs now"


def test_failed_promotion_changes_nothing_about_the_release_before(stages: Stages) -> None:
    stages.run(STAGE, release("a"), "p1")
    stages.request(STAGE, id="p2")
    stages.step(STAGE, facts(release("b")), "p2")
    stages.step(STAGE, facts(release("b"), progress=BROKEN), "p2")
    stages.step(STAGE, facts(release("b"), progress=VERIFIED), "p2")
    assert stages.state(STAGE, "p2") is State.ROLLED_BACK
    assert "is verified on" in headline(stages, "p1")


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["promote", "fail", "roll back"]), st.sampled_from("abc")), max_size=8
)


@given(ACTIONS)
def test_only_the_current_release_is_shown_as_verified(
    actions: list[tuple[str, str]],
) -> None:
    stages = Stages()
    for number, (action, commit) in enumerate(actions):
        id = f"p{number}"
        stages.later(minutes=1)
        if action == "promote":
            stages.run(STAGE, release(commit), id)
        elif action == "fail":
            stages.request(STAGE, id=id)
            stages.step(STAGE, facts(release(commit)), id)
            stages.step(STAGE, facts(release(commit), progress=BROKEN), id)
            stages.step(STAGE, facts(release(commit), progress=VERIFIED), id)
        else:
            try:
                roll_back(stages, id)
            except Refusal:
                continue
            stages.step(STAGE, facts(progress=VERIFIED), id)
        aggregate = stages.aggregate(STAGE)
        assert all(promotion.state in ENDED for promotion in aggregate.promotions.values())
        target = aggregate.stage.target
        succeeded = [
            promotion for promotion in aggregate.promotions.values() if promotion.state is State.SUCCEEDED
        ]
        current = {
            promotion.release.id
            for promotion in succeeded
            if promotion.release is not None and "is verified" in texts.headline(promotion)
        }
        assert target is None or current <= {target.release.id}
        assert target is None or aggregate.is_verified(target) or not current
