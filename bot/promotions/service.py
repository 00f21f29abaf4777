"""Asking for promotions, and all that people may say to one: what a command or the command line does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bot.config.loader import CONFIG_FILE
from bot.environments.ports import Clock
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.promotion import (
    ACTIVE,
    PENDING,
    Promotion,
    PromotionKind,
    PromotionState,
    StageAggregate,
    StageRecord,
    TimelineEntry,
)
from bot.model.protection import Protection
from bot.model.release import PromotableRelease
from bot.model.repository import Repository
from bot.promotions import stage_commands as orders
from bot.promotions.approvals import relevant_teams
from bot.promotions.ports import GitHubReaders, PromotionStore, ReleaseStore
from bot.promotions.stage_aggregate import STATE_TIMEOUTS, Refusal
from bot.promotions.stage_lookup import StageLookup, read_stages

log = structlog.get_logger()

_OPEN = PENDING | ACTIVE
_BROUGHT = (PromotionState.SUCCEEDED, PromotionState.ROLLED_BACK)

Order = Callable[[StageAggregate, Promotion], StageAggregate]


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks, where, and seeing what."""

    repository: Repository
    by: str
    token: str
    """Of the comment or call: the same one again asks for nothing new."""
    number: int | None = None
    head: str | None = None
    """The head that they could see."""


@dataclass(frozen=True, slots=True)
class PromotionService:
    """Raises Refusal, with a sentence for whoever asked."""

    promotions: PromotionStore
    releases: ReleaseStore
    github: GitHubReaders
    clock: Clock

    async def promote(self, requester: Requester, stage: str, release: str | None = None) -> Promotion:
        """It is looked into by a worker, which tells what becomes of it."""
        key = (await self.lookup(requester.repository)).configured(stage)
        await self._see_pull_request(requester)
        promotion = draft_promotion(requester, key, PromotionKind.PROMOTION, self.clock(), release)
        return await self._request(requester, promotion)

    async def promote_automatically(
        self, repository: Repository, stage: str, release: PromotableRelease, number: int | None
    ) -> Promotion:
        """The pipeline goes on by itself; to each stage once with each release."""
        requester = Requester(repository, "", f"automatic/{repository.id}/{release.id}", number)
        key = EnvironmentKey.stage(repository.id, stage)
        promotion = draft_promotion(requester, key, PromotionKind.PROMOTION, self.clock(), release.id)
        return await self._request(requester, promotion)

    async def promote_commit(self, repository: Repository, stage: str, commit: str) -> None:
        """A new head of the default branch goes to a stage by itself; each of them once."""
        requester = Requester(repository, "", f"pushed/{repository.id}/{commit}")
        key = EnvironmentKey.stage(repository.id, stage)
        promotion = draft_promotion(requester, key, PromotionKind.PROMOTION, self.clock())
        if await self.promotions.get(promotion.id) is None:
            number = await self.github.commits.merged_by(repository, commit)
            await self._request(requester, replace(promotion, commit=commit, number=number))

    async def rollback(self, requester: Requester, stage: str) -> Promotion:
        """What goes back: a rollback, or the promotion that was under way and is taken back."""
        if (done := await self._carried_out(requester)) is not None:
            return done
        now = self.clock()
        key = (await self.lookup(requester.repository)).movable(stage)
        new = draft_promotion(requester, key, PromotionKind.ROLLBACK, now)
        aggregate = await self._change(
            requester, key, lambda aggregate: orders.begin_rollback(aggregate, new, now), promotion_id=new.id
        )
        found = aggregate.promotions.get(new.id) or aggregate.promotions.get(
            aggregate.stage.active_promotion or ""
        )
        return found or max(aggregate.promotions.values(), key=lambda each: each.since)

    async def approve(self, requester: Requester, stage: str | None) -> Promotion:
        one = await self._the_one(requester, stage, PENDING, "approve")
        if requester.number is not None and one.number is not None and one.number != requester.number:
            raise Refusal(
                f"What waits for {one.stage.name} is told in #{one.number}: look at it, and approve it there."
            )
        protection = await self._protection(requester, one)
        mine = await self._teams(requester, replace(one, protection=protection))
        now = self.clock()
        return await self._order(
            requester,
            one,
            lambda aggregate, it: orders.approve(aggregate, it, requester.by, mine, protection, now),
        )

    async def reject(self, requester: Requester, stage: str | None, why: str) -> Promotion:
        one = await self._the_one(requester, stage, PENDING, "reject")
        now = self.clock()
        return await self._order(
            requester, one, lambda aggregate, it: orders.reject(aggregate, it, requester.by, why, now)
        )

    async def abort(self, requester: Requester, stage: str | None, why: str) -> Promotion:
        one = await self._the_one(requester, stage, _OPEN, "abort")
        now = self.clock()
        return await self._order(
            requester, one, lambda aggregate, it: orders.abort(aggregate, it, requester.by, why, now)
        )

    async def pause(self, requester: Requester, stage: str | None) -> Promotion:
        one = await self._the_one(requester, stage, _OPEN, "pause")
        now = self.clock()
        return await self._order(
            requester, one, lambda aggregate, it: orders.pause(aggregate, it, requester.by, now)
        )

    async def resume(self, requester: Requester, stage: str | None) -> Promotion:
        one = await self._the_one(requester, stage, _OPEN, "resume")
        now = self.clock()
        return await self._order(
            requester, one, lambda aggregate, it: orders.resume(aggregate, it, requester.by, now)
        )

    async def lock(self, requester: Requester, stage: str, length: timedelta | None, why: str) -> StageRecord:
        now = self.clock()
        until = now + (length or orders.DEFAULT_LOCK)
        return await self._keep(
            requester, stage, lambda aggregate: orders.lock(aggregate, requester.by, until, why, now)
        )

    async def unlock(self, requester: Requester, stage: str, *, may_take: bool) -> StageRecord:
        now = self.clock()
        return await self._keep(
            requester, stage, lambda aggregate: orders.unlock(aggregate, requester.by, may_take, now)
        )

    async def hold(self, requester: Requester, stage: str, why: str) -> StageRecord:
        now = self.clock()
        return await self._keep(
            requester, stage, lambda aggregate: orders.hold(aggregate, requester.by, why, now)
        )

    async def unhold(self, requester: Requester, stage: str) -> StageRecord:
        now = self.clock()
        return await self._keep(
            requester, stage, lambda aggregate: orders.unhold(aggregate, requester.by, now)
        )

    async def remove(self, requester: Requester, name: str) -> StageRecord:
        """Takes a stage or demo away, with its data, that the default branch has no more."""
        names = await self.lookup(requester.repository)
        if names.problem is not None:
            raise names.problem
        configuration = names.configuration
        left = [
            each
            for each in names.records.values()
            if each.name == name and each.target is not None
            if configuration is None or configuration.find_stage(each.key) is None
        ]
        if not left:
            if configuration is not None and name in configuration.stages_and_demos:
                raise Refusal(
                    f"{name} stands in {CONFIG_FILE} on the default branch: take it out there first."
                )
            raise Refusal(f"Nothing runs on {name}.")
        key, now = left[0].key, self.clock()
        ended = await self.promotions.find(stage=key, ended=True)
        brought = next((each.id for each in ended if each.state in _BROUGHT), None)
        aggregate = await self._change(
            requester,
            key,
            lambda aggregate: orders.remove(aggregate, brought, requester.by, now),
            promotion_id=brought,
        )
        return aggregate.stage

    async def _see_pull_request(self, requester: Requester) -> None:
        """Who types no comment may name one that there is not."""
        if requester.number is None or requester.head is not None:
            return
        if await self.github.pull_requests.pull_request(requester.repository, requester.number) is None:
            raise Refusal(
                f"There is no pull request #{requester.number} in {requester.repository.full_name}."
            )

    async def _protection(self, requester: Requester, one: Promotion) -> Protection:
        """Read anew: nobody says yes under rules that hold no more."""
        name = one.stage.name
        try:
            return await self.github.protections.protection(requester.repository, name)
        except Rejected as error:
            log.warning("an environment's rules cannot be read, which counts as a no", reason=str(error))
            raise Refusal(
                f"The rules of the GitHub Environment {name} cannot be read, and they may say who approves "
                "here. `greenroom doctor` tells the operator what is missing."
            ) from None

    async def _teams(self, requester: Requester, one: Promotion) -> list[str]:
        """Those of the teams asked for that the person is in; what cannot be read is a no."""
        found = []
        for team in relevant_teams(one):
            try:
                if await self.github.teams.in_team(requester.repository, team, requester.by):
                    found.append(team)
            except Rejected as error:
                log.warning("a team cannot be read, which counts as a no", team=team, reason=str(error))
        return found

    async def lookup(self, repository: Repository) -> StageLookup:
        return await read_stages(self.promotions, self.github.contents, repository)

    async def _request(self, requester: Requester, promotion: Promotion) -> Promotion:
        now = promotion.requested_at
        aggregate = await self._change(
            requester,
            promotion.stage,
            lambda aggregate: orders.request(aggregate, promotion, now),
            promotion_id=promotion.id,
        )
        return aggregate.promotions[promotion.id]

    async def _the_one(
        self, requester: Requester, stage: str | None, states: frozenset[PromotionState], doing: str
    ) -> Promotion:
        """The promotion that is meant: this pull request's, or another one of the stage that was named."""
        if (done := await self._carried_out(requester)) is not None:
            return done
        found = [
            each
            for each in await self.promotions.find(requester.repository.id, ended=False)
            if each.state in states
            and (each.stage.name == stage if stage is not None else each.number == requester.number)
        ]
        names = sorted({each.stage.name for each in found})
        if not found:
            where = f"on {stage}" if stage is not None else "here"
            raise Refusal(f"There is no promotion {where} to {doing}.")
        if len(names) > 1:
            told = " or ".join(f"`/{doing} {name}`" for name in names)
            raise Refusal(f"Say which one to {doing}: {told}.")
        here = [each for each in found if each.number == requester.number]
        return max(here or found, key=lambda each: (each.state in ACTIVE, each.requested_at))

    async def _carried_out(self, requester: Requester) -> Promotion | None:
        """What the same comment was about, carried out by whoever was killed before it could say so."""
        id = await self.promotions.carried_out(requester.repository.id, requester.token)
        return await self.promotions.get(id) if id else None

    async def _keep(
        self, requester: Requester, stage: str, change: Callable[[StageAggregate], StageAggregate]
    ) -> StageRecord:
        key = (await self.lookup(requester.repository)).existing(stage)
        return (await self._change(requester, key, change)).stage

    async def _order(self, requester: Requester, one: Promotion, order: Order) -> Promotion:
        def change(aggregate: StageAggregate) -> StageAggregate:
            return order(aggregate, aggregate.promotions[one.id])

        aggregate = await self._change(requester, one.stage, change, promotion_id=one.id)
        return aggregate.promotions[one.id]

    async def _change(
        self,
        requester: Requester,
        key: EnvironmentKey,
        change: Callable[[StageAggregate], StageAggregate],
        promotion_id: str | None = None,
    ) -> StageAggregate:
        return await self.promotions.change(
            key, requester.repository, change, promotion_id=promotion_id, token=requester.token
        )


def draft_promotion(
    requester: Requester, key: EnvironmentKey, kind: PromotionKind, now: datetime, wanted: str | None = None
) -> Promotion:
    """What is asked for, not written down yet."""
    state, name = PromotionState.REQUESTED, key.name
    what = f"Promotion to {name}" if kind is PromotionKind.PROMOTION else f"Rollback of {name}"
    return Promotion(
        id=hashlib.sha256(f"{requester.token}/{name}/{kind}".encode()).hexdigest()[:10],
        stage=key,
        repository=requester.repository,
        kind=kind,
        state=state,
        requested_by=requester.by,
        requested_at=now,
        since=now,
        deadline=now + STATE_TIMEOUTS[state],
        number=requester.number,
        head=requester.head,
        requested_release=wanted,
        timeline=(TimelineEntry(now, f"{what} requested", requester.by),),
    )
