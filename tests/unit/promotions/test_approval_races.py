"""An approval counts only for the release and configuration that its author could see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.promotion import PENDING, Promotion
from bot.model.promotion import PromotionState as State
from bot.model.release import PromotableRelease
from bot.promotions import stage_actions
from bot.promotions.refusals import Refusal
from tests.unit.promotions.stage_fixtures import NOW, PIPELINE, Stages, facts, refused, release

APPROVED = PIPELINE.replace("integration: {}", "integration: {approvals: {count: 1}}")
CHANGED = APPROVED.replace("{approvals: {count: 1}}", "{approvals: {count: 1}, config: {PRICES: high}}")
SHOWN, OTHER = release("a"), release("b")


def waiting(stages: Stages, about: str = "a", id: str = "p1") -> None:
    """A promotion of dora that awaits approval."""
    stages.request("integration", by="dora", id=id)
    assert stages.step("integration", facts(release(about), text=APPROVED), id) is State.AWAITING_APPROVAL


def abort(stages: Stages, id: str) -> None:
    aggregate = stages.aggregate("integration")
    stages.aggregates["integration"] = stage_actions.abort(
        aggregate, aggregate.promotions[id], "dora", "", stages.now
    )


def test_approval_of_an_aborted_promotion_does_not_count_for_the_next_one(stages: Stages) -> None:
    waiting(stages, "a", "p1")
    stages.later(seconds=10)
    written_at = stages.now
    abort(stages, "p1")
    stages.later(seconds=1)
    waiting(stages, "b", "p2")
    stages.later(seconds=1)
    with refused(
        rf"now for release {OTHER.id} \(bbbbbbb\).*not written after.*`/approve integration {OTHER.id}`"
    ):
        stages.approve("integration", "p2", "bea", written_at=written_at)
    assert stages.promotion("integration", "p2").approvals == ()


@pytest.mark.parametrize(("seconds", "counts"), [(-1, False), (0, False), (0.5, True), (1, True)])
def test_approval_must_be_younger_than_the_release(stages: Stages, seconds: float, counts: bool) -> None:
    """An approval within the same second of GitHub's clock does not count."""
    waiting(stages)
    with contextlib.nullcontext() if counts else refused("not written after"):
        stages.approve("integration", "p1", "bea", written_at=stages.now + timedelta(seconds=seconds))


def test_approval_must_be_younger_than_a_changed_configuration(stages: Stages) -> None:
    waiting(stages)
    stages.later(seconds=5)
    written_at = stages.now
    stages.later(seconds=5)
    stages.step("integration", facts(text=CHANGED))
    with refused("not written after"):
        stages.approve("integration", "p1", "bea", written_at=written_at)


def test_promotion_stored_by_an_older_version_counts_from_its_state(stages: Stages) -> None:
    waiting(stages)
    aggregate = stages.aggregate("integration")
    old = replace(aggregate.promotions["p1"], content_since=None)
    stages.aggregates["integration"] = aggregate.with_promotion(old)
    with refused("not written after"):
        stages.approve("integration", "p1", "bea", written_at=stages.now)
    stages.approve("integration", "p1", "bea")


@pytest.mark.parametrize("named", [SHOWN.id, SHOWN.id.upper(), "a" * 7, "a" * 40])
def test_named_release_is_approved(stages: Stages, named: str) -> None:
    waiting(stages)
    stages.approve("integration", "p1", "bea", release=named)
    assert len(stages.promotion("integration").approvals) == 1


@pytest.mark.parametrize("named", [OTHER.id, "b" * 7, "a" * 6, SHOWN.id[:11], "latest", "a" * 41])
def test_approval_that_names_another_release_does_not_count(stages: Stages, named: str) -> None:
    waiting(stages)
    with refused(f"for release {SHOWN.id}.*not for {named}"):
        stages.approve("integration", "p1", "bea", release=named)


def test_named_release_must_be_shown_as_well(stages: Stages) -> None:
    """Seven digits of a commit can be found by trying."""
    waiting(stages)
    with refused("not written after"):
        stages.approve("integration", "p1", "bea", written_at=stages.now, release=SHOWN.id)


Content = tuple[str, str]
"""Id of a release, and digest of a configuration."""


def content(promotion: Promotion) -> Content:
    assert promotion.release is not None
    return promotion.release.id, promotion.configuration_digest


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("promote a", "promote b", "abort", "change", "revert", "approve", "approve")),
        st.sampled_from((0, 0.4, 1, 3)),
        st.sampled_from((0, 0.3, 1, 2, 5)),
    ),
    max_size=25,
)


class Race:
    """Comments of dora and bea on integration, and what awaits approval since when."""

    def __init__(self) -> None:
        self.stages, self.text, self.serial = Stages(), APPROVED, 0
        self.shown: list[tuple[datetime, Content | None]] = [(NOW, None)]

    def pending(self) -> list[Promotion]:
        promotions = self.stages.aggregate("integration").promotions.values()
        return [promotion for promotion in promotions if promotion.state in PENDING]

    def act(self, action: str) -> None:
        if action == "abort":
            for promotion in self.pending():
                abort(self.stages, promotion.id)
        elif action in ("change", "revert"):
            self.text = CHANGED if action == "change" else APPROVED
        elif not self.pending():
            self.serial += 1
            self.stages.request("integration", by="dora", id=f"p{self.serial}")
            self.step(release(action[-1]))
        self.step()
        contents = [content(promotion) for promotion in self.pending()]
        self.shown.append((self.stages.now, contents[0] if contents else None))

    def step(self, about: PromotableRelease | None = None) -> None:
        for promotion in self.pending():
            observed = facts(about or promotion.release, text=self.text)
            self.stages.step("integration", observed, promotion.id)

    def approve(self, late: float) -> Iterator[tuple[Content, Content | None]]:
        """What is approved by a comment that is processed late, and what was shown when it was written."""
        written = max(self.stages.now - timedelta(seconds=late), NOW)
        for promotion in self.pending():
            before = promotion.approvals
            with contextlib.suppress(Refusal):
                self.stages.approve(
                    "integration", promotion.id, "bea", written_at=written.replace(microsecond=0)
                )
            approved = self.stages.promotion("integration", promotion.id)
            if approved.approvals != before:
                [*_, shown] = [content for since, content in self.shown if since <= written]
                yield content(approved), shown


@given(EVENTS)
def test_counted_approval_was_written_while_its_content_was_pending(
    events: list[tuple[str, float, float]],
) -> None:
    """Comments are processed late, by up to five seconds, and stamped with whole seconds."""
    race = Race()
    for action, pause, late in events:
        race.stages.later(seconds=pause)
        if action != "approve":
            race.act(action)
            continue
        for approved, shown in race.approve(late):
            assert approved == shown
