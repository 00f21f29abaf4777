"""Invariants of promotions in every order of commands, pushes, failures and timeouts."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.model.promotion import ACTIVE, ENDED, PENDING, Promotion, PromotionState
from bot.model.protection import UNPROTECTED, Protection, Reviewers
from bot.model.release import PromotableRelease
from bot.promotions import stage_actions
from bot.promotions.approvals import is_approved
from bot.promotions.facts import RolloutProgress
from bot.promotions.pipeline import policy
from bot.promotions.refusals import Refusal
from bot.promotions.state_machine import next_check
from tests.unit.promotions.stage_fixtures import (
    BROKEN,
    LIVE,
    PIPELINE,
    SMOKE_FAILED,
    UNDER_WAY,
    VERIFIED,
    Stages,
    facts,
    promotion,
    release,
)

STAGES = ("integration", "security", "staging", "production")
RULES = (
    UNPROTECTED,
    Protection(Reviewers(("cem",), ("ops",))),
    Protection(Reviewers(("dora",)), wait=timedelta(minutes=45)),
)
"""Rules of the GitHub Environment with each stage's name."""
CHANGED = PIPELINE.replace("soak: 30m", "soak: 30m, config: {PRICES: high}")
UNREVIEWED, FORKED = release("d"), release("e", fork=True)
RELEASES = (release("a"), release("b"), UNREVIEWED, FORKED)
PEOPLE = ("ada", "bea", "cem", "dora")
TEAMS = {"ada": ("ops",), "bea": ("ops",), "cem": (), "dora": ()}

people = st.sampled_from(PEOPLE)
names = st.sampled_from(("integration", "production", "production"))


class Promotions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stages = Stages()
        self.about: dict[str, PromotableRelease] = {}
        self.configuration = PIPELINE
        self.protection = UNPROTECTED
        self.started: list[tuple[Promotion, bool]] = []
        self.admitted: list[tuple[Promotion, Protection | None, datetime]] = []
        """Admitted promotions with the environment's rules of that moment."""

    @initialize(verified=st.booleans())
    def begin(self, verified: bool) -> None:
        """Starts a run; in half of the runs, all releases have passed every stage before production."""
        for about in RELEASES if verified else ():
            for name in STAGES[:-1]:
                self.stages.run(name, about, f"{name}-{about.id}")

    def _pick(self, name: str, index: int) -> Promotion | None:
        promotions = list(self.stages.aggregate(name).promotions.values())
        return promotions[index % len(promotions)] if promotions else None

    @rule(name=names, by=st.sampled_from(("", *PEOPLE)), about=st.sampled_from(RELEASES))
    def request(self, name: str, by: str, about: PromotableRelease) -> None:
        id = f"p{len(self.about)}"
        self.about[id] = about
        self.stages.request(name, by, id)

    @rule(
        name=names,
        progress=st.sampled_from((UNDER_WAY, LIVE, VERIFIED, VERIFIED, BROKEN, SMOKE_FAILED)),
        readable=st.sampled_from((True, True, True, False)),
    )
    def work(self, name: str, progress: RolloutProgress, readable: bool) -> None:
        """Workers step every promotion of the stage."""
        for pending in list(self.stages.aggregate(name).promotions.values()):
            if pending.state in ENDED:
                continue
            about = self.about[pending.id]
            reviews = {"reviews": ()} if about is UNREVIEWED else {} if readable else {"reviews": None}
            rules = self.protection if readable else None
            seen = facts(about, self.configuration, progress=progress, protection=rules, **reviews)
            after = self.stages.step(name, seen, pending.id)
            if pending.state in PENDING and after is PromotionState.DEPLOYING:
                now = self.stages.promotion(name, pending.id)
                self.started.append((now, is_approved(now, self.stages.now)))
                self.admitted.append((now, rules, self.stages.now))

    @rule(name=names, by=st.sampled_from(("", *PEOPLE)), about=st.sampled_from(RELEASES))
    def push_through(self, name: str, by: str, about: PromotableRelease) -> None:
        """Request the release and approve it by everyone."""
        self.request(name, by, about)
        self.work(name, UNDER_WAY, readable=True)
        for person in PEOPLE:
            self.approve(name, person)
        self.work(name, UNDER_WAY, readable=True)

    @rule(name=names, by=people)
    def approve(self, name: str, by: str) -> None:
        for pending in self.stages.aggregate(name).promotions.values():
            with contextlib.suppress(Refusal):
                self.stages.approve(name, pending.id, by, TEAMS[by], self.protection)

    @rule(name=names, index=st.integers(0, 9), by=people, action=st.sampled_from(("reject", "abort")))
    def end(self, name: str, index: int, by: str, action: str) -> None:
        selected = self._pick(name, index)
        if selected is not None:
            with contextlib.suppress(Refusal):
                change = stage_actions.reject if action == "reject" else stage_actions.abort
                self.stages.aggregates[name] = change(
                    self.stages.aggregate(name), selected, by, "", self.stages.now
                )

    @rule(name=names, index=st.integers(0, 9), by=people, on=st.booleans())
    def pause(self, name: str, index: int, by: str, on: bool) -> None:
        selected = self._pick(name, index)
        if selected is not None:
            with contextlib.suppress(Refusal):
                change = stage_actions.pause if on else stage_actions.resume
                self.stages.aggregates[name] = change(
                    self.stages.aggregate(name), selected, by, self.stages.now
                )

    @rule(name=names, by=people)
    def roll_back(self, name: str, by: str) -> None:
        id = f"p{len(self.about)}"
        with contextlib.suppress(Refusal):
            requested = promotion(name, by, id, self.stages.now)
            after = stage_actions.begin_rollback(self.stages.aggregate(name), requested, self.stages.now)
            self.stages.aggregates[name] = after
            if id in after.promotions:
                self.about[id] = release()

    @rule(name=names, by=people, action=st.sampled_from(("lock", "unlock", "hold", "unhold")))
    def keep(self, name: str, by: str, action: str) -> None:
        aggregate, now = self.stages.aggregate(name), self.stages.now
        with contextlib.suppress(Refusal):
            changed = {
                "lock": lambda: stage_actions.lock(aggregate, by, now + timedelta(hours=1), "", now),
                "unlock": lambda: stage_actions.unlock(aggregate, by, False, now),
                "hold": lambda: stage_actions.hold(aggregate, by, "", now),
                "unhold": lambda: stage_actions.unhold(aggregate, by, now),
            }[action]()
            self.stages.aggregates[name] = changed

    @rule(minutes=st.sampled_from((1, 1, 31, 61, 24 * 60)))
    def wait(self, minutes: int) -> None:
        self.stages.later(minutes=minutes)

    @rule()
    def configure(self) -> None:
        self.configuration = CHANGED if self.configuration is PIPELINE else PIPELINE

    @rule(protection=st.sampled_from(RULES))
    def protect(self, protection: Protection) -> None:
        self.protection = protection

    @precondition(lambda self: any(item.promotions for item in self.stages.aggregates.values()))
    @rule()
    def drop_ended_promotions(self) -> None:
        """The store returns only promotions that have not ended."""
        for name, aggregate in self.stages.aggregates.items():
            kept = {id: item for id, item in aggregate.promotions.items() if item.state not in ENDED}
            self.stages.aggregates[name] = replace(aggregate, promotions=kept, audit=())

    @invariant()
    def at_most_one_promotion_is_active(self) -> None:
        for aggregate in self.stages.aggregates.values():
            moving = [item.id for item in aggregate.promotions.values() if item.state in ACTIVE]
            assert moving == ([aggregate.stage.active_promotion] if aggregate.stage.active_promotion else [])

    @invariant()
    def user_promotions_are_not_superseded(self) -> None:
        for aggregate in self.stages.aggregates.values():
            for checked in aggregate.promotions.values():
                assert checked.automatic or checked.state is not PromotionState.SUPERSEDED

    @invariant()
    def protected_stage_runs_only_reviewed_releases(self) -> None:
        running = self.stages.running("production") if "production" in self.stages.aggregates else None
        assert running not in (UNREVIEWED, FORKED)

    @invariant()
    def rollouts_start_with_their_approvals(self) -> None:
        for checked, had_enough in self.started:
            assert had_enough
            needed = policy(checked).approvals
            assert checked.release is not None
            if needed is not None:
                yes = {
                    item.by
                    for item in checked.approvals
                    if (item.release_id, item.configuration_digest)
                    == (checked.release.id, checked.configuration_digest)
                }
                assert len(yes - {checked.requested_by, *checked.authors}) >= needed.count

    @invariant()
    def rollouts_follow_the_protection_rules(self) -> None:
        for checked, rules, at in self.admitted:
            assert rules is not None, "unreadable rules admit nothing"
            assert at >= checked.requested_at + rules.wait
            if rules.reviewers is not None:
                yes = {item.by for item in checked.approvals} - {checked.requested_by, *checked.authors}
                assert any(by in rules.reviewers.users or set(TEAMS[by]) & {"ops"} for by in yes)

    @invariant()
    def rollback_targets_are_verified(self) -> None:
        for aggregate in self.stages.aggregates.values():
            for checked in aggregate.promotions.values():
                if checked.state is PromotionState.ROLLING_BACK:
                    assert checked.rollback_target is not None
                    assert aggregate.stage.target is not None
                    assert aggregate.stage.target.release == checked.rollback_target.release

    @invariant()
    def open_promotions_have_a_next_check(self) -> None:
        for aggregate in self.stages.aggregates.values():
            for checked in aggregate.promotions.values():
                assert (next_check(checked, self.stages.now) is None) == (checked.state in ENDED)


Promotions.TestCase.settings = settings(max_examples=50, stateful_step_count=50)
TestPromotions = Promotions.TestCase


class ManyPromotions(Promotions):
    """The same rules in a long series."""


ManyPromotions.TestCase.settings = settings(max_examples=1500, stateful_step_count=50)
TestManyPromotions = pytest.mark.soak(ManyPromotions.TestCase)
