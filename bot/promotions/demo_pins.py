"""Demos that `.greenroom.yml` pins to a release: who changes the file on the default branch moves them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.config.loader import CONFIG_FILE
from bot.config.schema import Configuration
from bot.environments.ports import Clock
from bot.model.commit import Commit
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.promotion import Pin, Promotion, PromotionKind, PromotionState, StageRecord
from bot.model.repository import Repository
from bot.model.work import Claim
from bot.promotions import stage_commands as orders
from bot.promotions.facts import ResolvedRelease
from bot.promotions.gates import shows_fork
from bot.promotions.pipeline import demo_digest
from bot.promotions.ports import CommitReader, PromotionStore
from bot.promotions.release_resolver import ReleaseResolver
from bot.promotions.service import Requester, draft_promotion
from bot.promotions.stage_aggregate import lock_reason

_AGAIN = timedelta(minutes=2)
"""How soon to look again at what cannot be followed now: no tag yet, no image, a lock."""
_REPEATED = timedelta(hours=1)
"""How soon it is asked once more for what a gate turned down, or nobody approved in time."""
_UNTOUCHED = (PromotionState.REJECTED, PromotionState.EXPIRED)


@dataclass(frozen=True, slots=True)
class DemoPins:
    promotions: PromotionStore
    commits: CommitReader
    release_resolver: ReleaseResolver
    clock: Clock

    async def follow(
        self, claim: Claim, repository: Repository, configuration: Configuration
    ) -> datetime | None:
        """Asks for what the file says and nobody asked for yet; returns when to look again."""
        records = {each.key: each for each in await self.promotions.stages(repository.id)}
        moments = []
        for name, demo in configuration.demo.items():
            key = EnvironmentKey.demo(repository.id, name)
            record = replace(records.get(key) or StageRecord(key, repository), repository=repository)
            if demo.release is not None:
                wanted = Pin(demo.release, demo_digest(demo))
                moments.append(await self._pin(claim, record, wanted, configuration))
            elif record.pin is not None:
                await self._remember(claim, record, None)
        return min((moment for moment in moments if moment is not None), default=None)

    async def _pin(
        self, claim: Claim, record: StageRecord, wanted: Pin, configuration: Configuration
    ) -> datetime | None:
        asked = await self._asked(record, wanted)
        now = self.clock()
        if asked is not None and not _turned_down(asked):
            return None
        if asked is not None and now < asked.since + _REPEATED:
            return asked.since + _REPEATED
        if await self.promotions.find(stage=record.key, ended=False):
            return now + _AGAIN  # one after the other; its end makes us look at once
        change = await self.commits.last_change(record.repository, CONFIG_FILE)
        if change is None:
            return now + _AGAIN
        # The same wish in the same situation is the same promotion, however often it is looked at.
        before = record.pin.promotion if record.pin is not None else ""
        situation = f"{wanted.release}/{wanted.digest}/{record.serial}/{before}"
        requester = Requester(record.repository, change.by, f"pinned/{record.repository.id}/{situation}")
        promotion = draft_promotion(requester, record.key, PromotionKind.PROMOTION, now, wanted.release)
        found = await self._found(record, promotion, configuration)
        if isinstance(found, str):
            # The promotion of before is kept, so that the next one is another one.
            await self._remember(claim, record, replace(wanted, promotion=before, problem=found))
            return now + _AGAIN
        await self._ask(claim, promotion, wanted, found, change)
        return None

    async def _asked(self, record: StageRecord, wanted: Pin) -> Promotion | None:
        """What was asked for on behalf of this very wish."""
        pin = record.pin
        if pin is None or pin.problem or (pin.release, pin.digest) != (wanted.release, wanted.digest):
            return None
        return await self.promotions.get(pin.promotion)

    async def _ask(
        self, claim: Claim, promotion: Promotion, wanted: Pin, found: ResolvedRelease, change: Commit
    ) -> None:
        """Told on the pull request that changed the file."""
        told = f"{CONFIG_FILE} of {change.sha[:7]} pins {promotion.stage.name} to {wanted.release}"
        asked = replace(
            promotion,
            requested_release=found.release.id,
            pinned=True,
            number=await self.commits.merged_by(promotion.repository, change.sha),
            note=f"{told}, and {found.note}" if found.note else told,
        )
        await self.promotions.change(
            asked.stage,
            asked.repository,
            lambda aggregate: orders.pin(aggregate, asked, wanted, asked.requested_at),
            promotion_id=asked.id,
            claim=claim,
        )

    async def _found(
        self, record: StageRecord, promotion: Promotion, configuration: Configuration
    ) -> ResolvedRelease | str:
        """The release, or why the demo cannot move to it now."""
        if why := lock_reason(record, promotion.requested_by, self.clock()):
            return f"{why}."
        try:
            found = await self.release_resolver.resolve(promotion, configuration)
        except Rejected as error:
            return str(error)
        if found is None:
            return f"The image of {promotion.requested_release} is not in the registry yet."
        return "It was made from a fork." if shows_fork(record.key, found.release) else found

    async def _remember(self, claim: Claim, record: StageRecord, pin: Pin | None) -> None:
        now = self.clock()
        await self.promotions.change(
            record.key,
            record.repository,
            lambda aggregate: orders.record_pin(aggregate, pin, now),
            claim=claim,
        )


def _turned_down(asked: Promotion) -> bool:
    """By a gate, before anything was touched, and not by a person."""
    return asked.state in _UNTOUCHED and not asked.timeline[-1].by
