"""Demos that `.greenroom.yml` pins to a release: a change of the file on the default branch moves them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.config.loader import CONFIG_FILE
from bot.config.schema import Configuration
from bot.model.commit import Commit
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.promotion import Pin, Promotion, PromotionKind, PromotionState, StageRecord
from bot.model.reason import Reported
from bot.model.repository import Repository
from bot.model.work import Claim
from bot.promotions import stage_actions
from bot.promotions.facts import ResolvedRelease
from bot.promotions.gates import shows_fork
from bot.promotions.pipeline import demo_digest
from bot.promotions.reasons import DemoPinned
from bot.promotions.refusals import NoRelease, Refusal, RefusalReason, ReleaseProblem, StageIsLocked
from bot.promotions.release_resolver import ReleaseResolver
from bot.promotions.requester import Requester, draft_promotion
from bot.promotions.service import PromotionService
from bot.promotions.stage_aggregate import active_lock

_RETRY = timedelta(minutes=2)
"""Interval for a pin that cannot be followed yet: no tag, no image, or a lock."""
_REPEAT = timedelta(hours=1)
"""Interval after a gate rejected the release or approvals were missing."""
_UNCHANGED = (PromotionState.REJECTED, PromotionState.EXPIRED)


@dataclass(frozen=True, slots=True)
class DemoPins:
    service: PromotionService
    release_resolver: ReleaseResolver

    async def follow(
        self, claim: Claim, repository: Repository, configuration: Configuration
    ) -> datetime | None:
        """Requests pinned releases that were not requested yet; returns when to look again."""
        stages = await self.service.promotions.stages(repository.id)
        records = {record.key: record for record in stages}
        moments = []
        for name, demo in configuration.demo.items():
            key = EnvironmentKey.demo(repository.id, name)
            record = replace(records.get(key) or StageRecord(key, repository), repository=repository)
            if demo.release is not None:
                pin = Pin(demo.release, demo_digest(demo))
                moments.append(await self._follow_pin(claim, record, pin, configuration))
            elif record.pin is not None:
                await self._record_pin(claim, record, None)
        return min((moment for moment in moments if moment is not None), default=None)

    async def _follow_pin(
        self, claim: Claim, record: StageRecord, pin: Pin, configuration: Configuration
    ) -> datetime | None:
        service = self.service
        previous = await self._requested(record, pin)
        now = service.clock()
        if previous is not None and not _was_rejected(previous):
            return None
        if previous is not None and now < previous.since + _REPEAT:
            return previous.since + _REPEAT
        if await service.promotions.find(stage=record.key, ended=False):
            return now + _RETRY  # the end of that promotion wakes this work at once
        change = await service.github.commits.last_change(record.repository, CONFIG_FILE)
        if change is None:
            return now + _RETRY
        # The same pin in the same situation gives the same promotion, however often it is followed.
        before = record.pin.promotion if record.pin is not None else ""
        situation = f"{pin.release}/{pin.digest}/{record.serial}/{before}"
        requester = Requester(record.repository, change.by, f"pinned/{record.repository.id}/{situation}")
        promotion = draft_promotion(requester, record.key, PromotionKind.PROMOTION, now, pin.release)
        resolved = await self._resolve(record, promotion, configuration)
        if not isinstance(resolved, ResolvedRelease):
            # The previous promotion is kept, so that the next one gets another id.
            problem = service.describe(resolved)
            await self._record_pin(claim, record, replace(pin, promotion=before, problem=problem))
            return now + _RETRY
        await self._request(claim, promotion, pin, resolved, change)
        return None

    async def _requested(self, record: StageRecord, pin: Pin) -> Promotion | None:
        """The promotion that was requested for this pin."""
        stored = record.pin
        if stored is None or stored.problem or (stored.release, stored.digest) != (pin.release, pin.digest):
            return None
        return await self.service.promotions.get(stored.promotion)

    async def _request(
        self, claim: Claim, promotion: Promotion, pin: Pin, resolved: ResolvedRelease, change: Commit
    ) -> None:
        """Requests the promotion, reported on the pull request that changed the file."""
        service = self.service
        note = DemoPinned(promotion.stage.name, pin.release, change.sha, resolved.note)
        requested = replace(
            promotion,
            requested_release=resolved.release.id,
            pinned=True,
            number=await service.github.commits.merged_by(promotion.repository, change.sha),
            note=service.describe(note),
        )
        await service.change(
            requested.stage,
            requested.repository,
            lambda stage: stage_actions.pin(stage, requested, pin, requested.requested_at),
            promotion_id=requested.id,
            claim=claim,
        )

    async def _resolve(
        self, record: StageRecord, promotion: Promotion, configuration: Configuration
    ) -> ResolvedRelease | RefusalReason:
        """The release, or why the demo cannot move to it now."""
        lock = active_lock(record, promotion.requested_by, self.service.clock())
        if lock is not None:
            return StageIsLocked(record.name, lock.by, lock.until, lock.reason)
        try:
            resolved = await self.release_resolver.resolve(promotion, configuration)
        except Refusal as refusal:
            return refusal.reason
        except Rejected as error:
            return Reported(str(error))
        if resolved is None:
            return NoRelease(ReleaseProblem.NO_IMAGE, requested=promotion.requested_release or "")
        if shows_fork(record.key, resolved.release):
            return NoRelease(ReleaseProblem.FORK)
        return resolved

    async def _record_pin(self, claim: Claim, record: StageRecord, pin: Pin | None) -> None:
        now = self.service.clock()
        await self.service.change(
            record.key,
            record.repository,
            lambda stage: stage_actions.record_pin(stage, pin, now),
            claim=claim,
        )


def _was_rejected(promotion: Promotion) -> bool:
    """Whether a gate or missing approvals rejected it, before the demo changed, and not a user."""
    return promotion.state in _UNCHANGED and not promotion.timeline[-1].by
