"""A stage with its promotions, and the transitions that change them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.model.promotion import (
    ACTIVE,
    ENDED,
    AuditEntry,
    Hold,
    Lock,
    Promotion,
    PromotionState,
    StageRecord,
    Successor,
    TimelineEntry,
    VerifiedTarget,
)
from bot.model.release import Target
from bot.promotions.reasons import Describe, Event, PromotionReason, Replaced, StateEvent

_VERIFIED = 10
"""Verified targets that a stage keeps."""
_TIMELINE = 60
"""Timeline entries that a promotion keeps."""

STATE_TIMEOUTS: Mapping[PromotionState, timedelta] = {
    PromotionState.REQUESTED: timedelta(minutes=30),
    PromotionState.GATING: timedelta(hours=24),
    PromotionState.AWAITING_APPROVAL: timedelta(hours=24),
    PromotionState.QUEUED: timedelta(days=7),
    PromotionState.DEPLOYING: timedelta(hours=1),
    PromotionState.ROLLING_OUT: timedelta(days=3),
    PromotionState.VERIFYING: timedelta(hours=1),
    PromotionState.SOAKING: timedelta(hours=1),
    PromotionState.ROLLING_BACK: timedelta(hours=1),
}
"""Longest time in a state; a soak gets this in addition to its own duration."""


@dataclass(frozen=True, slots=True)
class StageAggregate:
    """Everything about one stage that is decided in one transaction.

    Methods return a changed aggregate. Each change of state adds an audit entry and a timeline entry.
    """

    stage: StageRecord
    promotions: Mapping[str, Promotion] = field(default_factory=dict)
    """Promotions that have not ended, those that verified a release, and the one that is processed, by id."""
    siblings: Mapping[str, StageRecord] = field(default_factory=dict)
    """The repository's other stages by name; read-only."""
    audit: tuple[AuditEntry, ...] = ()
    """New entries."""
    describe: Describe = field(default=repr, compare=False, repr=False)
    """Renders reasons for storage; PromotionService sets it."""

    @property
    def active_promotion(self) -> Promotion | None:
        return self.promotions.get(self.stage.active_promotion or "")

    def with_promotion(self, promotion: Promotion) -> StageAggregate:
        return replace(self, promotions={**self.promotions, promotion.id: promotion})

    def with_stage(self, stage: StageRecord) -> StageAggregate:
        return replace(self, stage=stage)

    def transition(
        self,
        promotion: Promotion,
        state: PromotionState,
        now: datetime,
        reason: PromotionReason | None = None,
        by: str = "",
    ) -> StageAggregate:
        """Moves the promotion, as given, to a state with its timeout; frees the stage when it ends."""
        text = self.describe(reason) if reason is not None else ""
        before, stage = promotion.state, self.stage
        changed = replace(
            promotion,
            state=state,
            since=now,
            deadline=now + STATE_TIMEOUTS.get(state, timedelta(0)),
            reason=text or promotion.reason,
            paused_by="",
            paused_at=None,
            waiting_for="",
        )
        if state in ACTIVE:
            stage = replace(stage, active_promotion=promotion.id)
        elif state in ENDED and stage.active_promotion == promotion.id:
            stage = replace(stage, active_promotion=None)
        return (
            self.with_stage(stage)
            .record(
                promotion.id, now, state.value, reason=text, by=by, before=before.value, after=state.value
            )
            .with_event(changed, now, StateEvent(state, text), by)
        )

    def with_event(self, promotion: Promotion, now: datetime, event: Event, by: str = "") -> StageAggregate:
        """Stores the promotion with one more timeline entry."""
        entry = TimelineEntry(now, self.describe(event), by)
        return self.with_promotion(replace(promotion, timeline=(*promotion.timeline, entry)[-_TIMELINE:]))

    def record(
        self,
        promotion_id: str,
        now: datetime,
        action: str,
        *,
        reason: str = "",
        by: str = "",
        before: str = "",
        after: str = "",
    ) -> StageAggregate:
        """Adds an audit entry."""
        key = self.stage.key
        entry = AuditEntry(now, key.repository_id, key.name, promotion_id, by, action, reason, before, after)
        return replace(self, audit=(*self.audit, entry))

    def set_target(self, target: Target | None, now: datetime, promotion_id: str) -> StageAggregate:
        """Sets the desired release of the stage's environment; None deletes the environment."""
        serial = self.stage.serial + 1
        new = replace(target, serial=serial) if target is not None else None
        before, after = _release_id(self.stage.target), _release_id(new)
        stage = replace(self.stage, target=new, serial=serial, since=now)
        return self.with_stage(stage).record(promotion_id, now, "target", before=before, after=after)

    def verify(self, promotion: Promotion, now: datetime) -> StageAggregate:
        """Marks the current target as verified: the stage returns to it from now on."""
        target = self.stage.target
        assert target is not None, "only a running target is verified"
        aggregate = self.succeed(Successor(target.release.id), now, except_for=promotion.id)
        others = [entry for entry in self.stage.verified if not same_target(entry.target, target)]
        verified = (*others, VerifiedTarget(target, promotion.id, now))[-_VERIFIED:]
        return aggregate.with_stage(replace(self.stage, verified=verified))

    def succeed(self, successor: Successor, now: datetime, *, except_for: str = "") -> StageAggregate:
        """Marks the releases that promotions verified before as replaced."""
        aggregate = self
        for entry in self.stage.verified:
            earlier = self.promotions.get(entry.promotion)
            if earlier is None or earlier.ephemeral or earlier.successor or earlier.id == except_for:
                continue
            replaced = replace(earlier, successor=successor)
            aggregate = aggregate.with_event(replaced, now, Replaced(successor), successor.rolled_back_by)
        return aggregate

    def revoke_verification(self, target: Target) -> StageAggregate:
        kept = tuple(entry for entry in self.stage.verified if not same_target(entry.target, target))
        return self.with_stage(replace(self.stage, verified=kept))

    def hold(self, now: datetime, reason: PromotionReason, by: str, promotion_id: str) -> StageAggregate:
        text = self.describe(reason)
        aggregate = self.with_stage(replace(self.stage, hold=Hold(by, now, text)))
        return aggregate.record(promotion_id, now, "hold", reason=text, by=by, after="on hold")

    def last_verified(self) -> Target | None:
        return self.stage.verified[-1].target if self.stage.verified else None

    def is_verified(self, target: Target) -> bool:
        return any(same_target(entry.target, target) for entry in self.stage.verified)


def active_lock(stage: StageRecord, by: str, now: datetime) -> Lock | None:
    """Another user's lock of the stage, unless it has expired."""
    lock = stage.lock
    return None if lock is None or now >= lock.until or lock.by.lower() == by.lower() else lock


def rollback_target(stage: StageRecord) -> VerifiedTarget | None:
    """To what `/rollback` returns the stage while no promotion is active; None when it is refused."""
    running = stage.target
    if running is None:
        return None
    others = (entry for entry in reversed(stage.verified) if not same_target(entry.target, running))
    return next(others, None)


def same_target(left: Target, right: Target) -> bool:
    """Whether release and configuration are equal, whichever promotion set them."""
    return (left.release.id, left.configuration) == (right.release.id, right.configuration)


def _release_id(target: Target | None) -> str:
    return target.release.id if target is not None else "nothing"
