"""Restores a stage from its namespace, after its store was lost or restored from a backup."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.model.promotion import ACTIVE, ENDED, PromotionState
from bot.model.snapshot import Snapshot
from bot.promotions.reasons import RecordLost
from bot.promotions.service import PromotionService
from bot.promotions.stage_aggregate import STATE_TIMEOUTS, StageAggregate


@dataclass(frozen=True, slots=True)
class StageRecovery:
    """Restores stages from the snapshots in their namespaces."""

    service: PromotionService

    async def restore(self, snapshot: Snapshot) -> None:
        assert snapshot.stage is not None, "a snapshot of a stage"
        now, record = self.service.clock(), snapshot.stage
        await self.service.change(
            record.key, record.repository, lambda aggregate: restore(aggregate, snapshot, now)
        )


def restore(aggregate: StageAggregate, snapshot: Snapshot, now: datetime) -> StageAggregate:
    """The stage as its namespace records it. A stored promotion that it does not name has ended since."""
    record = snapshot.stage
    assert record is not None, "a snapshot of a stage"
    unfinished = {promotion.id: promotion for promotion in snapshot.promotions}
    succeeded = {entry.promotion for entry in record.verified}
    for promotion in list(aggregate.promotions.values()):
        if promotion.state not in ENDED and promotion.id not in unfinished:
            state = PromotionState.SUCCEEDED if promotion.id in succeeded else PromotionState.SUPERSEDED
            aggregate = aggregate.transition(promotion, state, now, RecordLost())
    active = record.active_promotion if record.active_promotion in unfinished else None
    before = aggregate.stage.target
    aggregate = aggregate.with_stage(
        replace(record, repository=aggregate.stage.repository, active_promotion=active)
    ).record(
        "",
        now,
        "restored",
        before=before.release.id if before is not None else "",
        after=record.target.release.id if record.target is not None else "",
    )
    for promotion in unfinished.values():
        # The environment is reconciled from its first phase again.
        timeout = STATE_TIMEOUTS[promotion.state] if promotion.state in ACTIVE else timedelta()
        deadline = max(promotion.deadline, now + timeout)
        aggregate = aggregate.with_promotion(replace(promotion, deadline=deadline))
    return aggregate
