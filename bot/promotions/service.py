"""Requests of promotions, and every action that users take on promotions and stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Unpack

import structlog

from bot.environments.ports import Clock
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.promotion import (
    ACTIVE,
    PENDING,
    Confirmed,
    Promotion,
    PromotionKind,
    PromotionState,
    StageRecord,
)
from bot.model.protection import Protection
from bot.model.release import PromotableRelease
from bot.model.repository import Repository
from bot.model.work import Claim
from bot.promotions import stage_actions
from bot.promotions.approvals import ApprovalRequest, relevant_teams
from bot.promotions.audit_log import LoggedChange
from bot.promotions.ports import GitHubReaders, PromotionStore, ReleaseStore
from bot.promotions.reasons import Describe
from bot.promotions.refusals import (
    AmbiguousPromotion,
    NoPromotion,
    OtherPullRequest,
    Refusal,
    StageProblem,
    StageRefusal,
    UnknownPullRequest,
)
from bot.promotions.release_resolver import require_one_release
from bot.promotions.requester import Requester as Requester
from bot.promotions.requester import draft_promotion
from bot.promotions.stage_aggregate import StageAggregate
from bot.promotions.stage_lookup import StageLookup, read_configured_stages, read_stages

log = structlog.get_logger()

_OPEN = PENDING | ACTIVE
_DEPLOYED = (PromotionState.SUCCEEDED, PromotionState.ROLLED_BACK)

Change = Callable[[StageAggregate], StageAggregate]
Action = Callable[[StageAggregate, Promotion], StageAggregate]


@dataclass(frozen=True, slots=True)
class PromotionService:
    """Executes requests; raises Refusal when one is not possible."""

    promotions: PromotionStore
    releases: ReleaseStore
    github: GitHubReaders
    clock: Clock
    describe: Describe

    async def promote(
        self, requester: Requester, stage: str, release: str | None = None, **confirmed: Unpack[Confirmed]
    ) -> Promotion:
        """Requests a promotion, which the worker then executes."""
        lookup = await read_configured_stages(self.github.contents, requester.repository)
        key = lookup.configured(stage)
        await self._require_pull_request(requester)
        promotion = draft_promotion(requester, key, PromotionKind.PROMOTION, self.clock(), release)
        return await self._request(requester, replace(promotion, **confirmed))

    async def promote_automatically(
        self, repository: Repository, stage: str, release: PromotableRelease, number: int | None
    ) -> Promotion:
        """Requests the next stage of the pipeline; once for each stage and release."""
        requester = Requester(repository, "", f"automatic/{repository.id}/{release.id}", number)
        key = EnvironmentKey.stage(repository.id, stage)
        promotion = draft_promotion(requester, key, PromotionKind.PROMOTION, self.clock(), release.id)
        return await self._request(requester, promotion)

    async def promote_commit(self, repository: Repository, stage: str, commit: str) -> None:
        """Requests the promotion of a new head of the default branch; once for each stage and commit."""
        requester = Requester(repository, "", f"pushed/{repository.id}/{commit}")
        key = EnvironmentKey.stage(repository.id, stage)
        promotion = draft_promotion(requester, key, PromotionKind.PROMOTION, self.clock())
        if await self.promotions.get(promotion.id) is None:
            number = await self.github.commits.merged_by(repository, commit)
            await self._request(requester, replace(promotion, commit=commit, number=number))

    async def rollback(self, requester: Requester, stage: str) -> Promotion:
        """The rollback, or the active promotion that was aborted instead."""
        if (done := await self._carried_out(requester)) is not None:
            return done
        now = self.clock()
        key = (await self.lookup(requester.repository)).movable(stage)
        new = draft_promotion(requester, key, PromotionKind.ROLLBACK, now)
        aggregate = await self._change(
            requester, key, lambda stage: stage_actions.begin_rollback(stage, new, now), new.id
        )
        rollback = aggregate.promotions.get(new.id) or aggregate.active_promotion
        return rollback or max(aggregate.promotions.values(), key=lambda promotion: promotion.since)

    async def approve(
        self, requester: Requester, stage: str | None, written_at: datetime, release: str = ""
    ) -> Promotion:
        """Approves what the promotion deploys; `release` names it, by its id or its commit's first digits."""
        promotion = await self._select(requester, stage, PENDING, "approve", with_plans=True)
        number = promotion.number
        if requester.number is not None and number is not None and number != requester.number:
            raise Refusal(OtherPullRequest(promotion.stage.name, number))
        await require_one_release(self.releases, promotion, release)
        protection = await self._protection(requester, promotion)
        teams = await self._teams(requester, replace(promotion, protection=protection))
        given = ApprovalRequest(requester.by, written_at, tuple(teams), release)
        now = self.clock()
        return await self._act(
            requester,
            promotion,
            lambda stage, current: stage_actions.approve(stage, current, given, protection, now),
        )

    async def reject(self, requester: Requester, stage: str | None, reason: str) -> Promotion:
        promotion = await self._select(requester, stage, PENDING, "reject")
        by, now = requester.by, self.clock()
        return await self._act(
            requester, promotion, lambda stage, p: stage_actions.reject(stage, p, by, reason, now)
        )

    async def abort(self, requester: Requester, stage: str | None, reason: str) -> Promotion:
        promotion = await self._select(requester, stage, _OPEN, "abort")
        by, now = requester.by, self.clock()
        return await self._act(
            requester, promotion, lambda stage, p: stage_actions.abort(stage, p, by, reason, now)
        )

    async def pause(self, requester: Requester, stage: str | None) -> Promotion:
        promotion = await self._select(requester, stage, _OPEN, "pause")
        by, now = requester.by, self.clock()
        return await self._act(requester, promotion, lambda stage, p: stage_actions.pause(stage, p, by, now))

    async def resume(self, requester: Requester, stage: str | None) -> Promotion:
        promotion = await self._select(requester, stage, _OPEN, "resume")
        by, now = requester.by, self.clock()
        return await self._act(requester, promotion, lambda stage, p: stage_actions.resume(stage, p, by, now))

    async def skip_analysis(self, requester: Requester, stage: str, *, may_skip: bool) -> Promotion:
        """`may_skip`: whether the user may skip what remains of a rollout's analysis."""
        promotion = await self._select(requester, stage, _OPEN, "skip")
        by, now = requester.by, self.clock()
        return await self._act(
            requester, promotion, lambda stage, p: stage_actions.skip_analysis(stage, p, by, may_skip, now)
        )

    async def vouch(self, requester: Requester, commit: str) -> None:
        """The user counts as an author of the commit, and of those before it, in place of unknown ones."""
        await self.promotions.vouch(requester.repository, commit, requester.by, requester.token)

    async def lock(
        self, requester: Requester, stage: str, length: timedelta | None, reason: str
    ) -> StageRecord:
        by, now = requester.by, self.clock()
        until = now + (length or stage_actions.DEFAULT_LOCK)
        return await self._change_stage(
            requester, stage, lambda stage: stage_actions.lock(stage, by, until, reason, now)
        )

    async def unlock(self, requester: Requester, stage: str, *, may_take: bool) -> StageRecord:
        by, now = requester.by, self.clock()
        return await self._change_stage(
            requester, stage, lambda stage: stage_actions.unlock(stage, by, may_take, now)
        )

    async def hold(self, requester: Requester, stage: str, reason: str) -> StageRecord:
        by, now = requester.by, self.clock()
        return await self._change_stage(
            requester, stage, lambda stage: stage_actions.hold(stage, by, reason, now)
        )

    async def unhold(self, requester: Requester, stage: str) -> StageRecord:
        """Lifts the hold, and requests the newest automatic promotion again that the hold ended."""
        key = (await self.lookup(requester.repository)).existing(stage)
        by, now = requester.by, self.clock()
        latest = next((item for item in await self.promotions.find(stage=key) if item.automatic), None)
        again: Promotion | None = None
        if latest is not None:
            pipeline = replace(requester, by="", token=f"unhold/{requester.token}", number=latest.number)
            again = draft_promotion(pipeline, key, latest.kind, now, latest.requested_release)
            again = replace(again, commit=latest.commit, head=None)
        aggregate = await self._change(
            requester, key, lambda stage: stage_actions.unhold(stage, by, now, latest, again)
        )
        return aggregate.stage

    async def remove(self, requester: Requester, name: str) -> StageRecord:
        """Deletes a stage or demo, with its data, that is no longer configured."""
        lookup = await self.lookup(requester.repository)
        if lookup.problem is not None:
            raise lookup.problem
        configuration = lookup.configuration
        running = [
            record.key
            for record in lookup.records.values()
            if record.name == name and record.target is not None
            if configuration is None or configuration.find_stage(record.key) is None
        ]
        if not running:
            configured = configuration is not None and name in configuration.stages_and_demos
            problem = StageProblem.STILL_CONFIGURED if configured else StageProblem.NOTHING_RUNS
            raise Refusal(StageRefusal(problem, name))
        key, by, now = running[0], requester.by, self.clock()
        ended = await self.promotions.find(stage=key, ended=True)
        deployed = next((promotion.id for promotion in ended if promotion.state in _DEPLOYED), None)
        aggregate = await self._change(
            requester, key, lambda stage: stage_actions.remove(stage, deployed, by, now), deployed
        )
        return aggregate.stage

    async def lookup(self, repository: Repository) -> StageLookup:
        return await read_stages(self.promotions, self.github.contents, repository)

    async def change(
        self,
        key: EnvironmentKey,
        repository: Repository,
        change: Change,
        *,
        promotion_id: str | None = None,
        claim: Claim | None = None,
        token: str = "",
    ) -> StageAggregate:
        """Applies a pure change to a stage in one transaction; see PromotionStore.change."""
        logged = LoggedChange(change, self.describe)
        aggregate = await self.promotions.change(
            key, repository, logged, promotion_id=promotion_id, claim=claim, token=token
        )
        logged.log(repository)
        return aggregate

    async def _require_pull_request(self, requester: Requester) -> None:
        """A request from outside a pull request may name one that does not exist."""
        repository, number = requester.repository, requester.number
        if number is None or requester.head is not None:
            return
        if await self.github.pull_requests.pull_request(repository, number) is None:
            raise Refusal(UnknownPullRequest(number, repository.full_name))

    async def _protection(self, requester: Requester, promotion: Promotion) -> Protection:
        """The current rules; fails closed."""
        name = promotion.stage.name
        try:
            return await self.github.protections.protection(requester.repository, name)
        except Rejected as error:
            log.warning("environment rules unreadable", environment=name, reason=str(error))
            raise Refusal(StageRefusal(StageProblem.RULES_UNREADABLE, name)) from None

    async def _teams(self, requester: Requester, promotion: Promotion) -> list[str]:
        """The user's teams among the relevant ones; fails closed."""
        teams = []
        for team in relevant_teams(promotion):
            try:
                if await self.github.collaborators.in_team(requester.repository, team, requester.by):
                    teams.append(team)
            except Rejected as error:
                log.warning("team unreadable", team=team, reason=str(error))
        return teams

    async def _request(self, requester: Requester, promotion: Promotion) -> Promotion:
        now = promotion.requested_at
        aggregate = await self._change(
            requester,
            promotion.stage,
            lambda stage: stage_actions.request(stage, promotion, now),
            promotion.id,
        )
        return aggregate.promotions[promotion.id]

    async def _select(
        self,
        requester: Requester,
        stage: str | None,
        states: frozenset[PromotionState],
        action: str,
        *,
        with_plans: bool = False,
    ) -> Promotion:
        """The promotion that the user means: of the named stage, or of this pull request.

        `with_plans`: also active ones that wait for the approval of a plan.
        """
        if (done := await self._carried_out(requester)) is not None:
            return done
        candidates = [
            promotion
            for promotion in await self.promotions.find(requester.repository.id, ended=False)
            if (promotion.state in states or (with_plans and promotion.awaits_plan))
            and (promotion.stage.name == stage if stage else promotion.number == requester.number)
        ]
        stages = tuple(sorted({promotion.stage.name for promotion in candidates}))
        if not candidates:
            raise Refusal(NoPromotion(action, stage))
        if len(stages) > 1:
            raise Refusal(AmbiguousPromotion(action, stages))
        own = [promotion for promotion in candidates if promotion.number == requester.number]
        return max(
            own or candidates, key=lambda promotion: (promotion.state in ACTIVE, promotion.requested_at)
        )

    async def _carried_out(self, requester: Requester) -> Promotion | None:
        """The promotion of a request that was executed before a crash."""
        id = await self.promotions.carried_out(requester.repository.id, requester.token)
        return await self.promotions.get(id) if id else None

    async def _change_stage(self, requester: Requester, stage: str, change: Change) -> StageRecord:
        key = (await self.lookup(requester.repository)).existing(stage)
        return (await self._change(requester, key, change)).stage

    async def _act(self, requester: Requester, promotion: Promotion, action: Action) -> Promotion:
        id = promotion.id
        aggregate = await self._change(
            requester, promotion.stage, lambda stage: action(stage, stage.promotions[id]), id
        )
        return aggregate.promotions[id]

    async def _change(
        self, requester: Requester, key: EnvironmentKey, change: Change, promotion_id: str | None = None
    ) -> StageAggregate:
        return await self.change(
            key, requester.repository, change, promotion_id=promotion_id, token=requester.token
        )
