"""Carries a promotion on: lets the pure machine decide on what is known, and tells about it."""

from __future__ import annotations

from datetime import datetime

import structlog

from bot.config.loader import parse_configuration
from bot.environments.ports import Clock
from bot.model.environment import EnvironmentKind
from bot.model.errors import Rejected, Unavailable
from bot.model.promotion import Promotion, PromotionState, StageAggregate
from bot.model.work import Claim
from bot.promotions.facts_reader import OUTAGE_AGAIN, FactsReader
from bot.promotions.pipeline import next_stages, stages_by_name
from bot.promotions.ports import PromotionReporter, PromotionStore, ReviewReader
from bot.promotions.service import PromotionService
from bot.promotions.state_machine import next_check, step

log = structlog.get_logger()

_PASSING = frozenset({PromotionState.DEPLOYING, PromotionState.VERIFYING})
"""Nobody has to do anything, and something else is told soon: such news waits for a quiet moment."""


class PromotionReconciler:
    """The handler of `promotion:` work."""

    def __init__(
        self,
        promotions: PromotionStore,
        pull_requests: ReviewReader,
        reporter: PromotionReporter,
        facts_reader: FactsReader,
        service: PromotionService,
        clock: Clock,
    ) -> None:
        self._promotions = promotions
        self._pull_requests = pull_requests
        self._reporter = reporter
        self._facts_reader = facts_reader
        self._service = service
        self._clock = clock

    async def __call__(self, claim: Claim) -> datetime | None:
        """Goes as far as it can; returns when to run again unless woken before, None when it has ended."""
        promotion = await self._promotions.get(claim.key.subject)
        if promotion is None:
            return None
        structlog.contextvars.bind_contextvars(promotion=promotion.id, stage=promotion.stage.name)
        facts, again = await self._facts_reader.facts(promotion)
        now = self._clock()

        id = promotion.id

        def go_on(aggregate: StageAggregate) -> StageAggregate:
            return step(aggregate, id, facts, now)

        aggregate = await self._promotions.change(
            promotion.stage, promotion.repository, go_on, promotion_id=id, claim=claim
        )
        promotion = aggregate.promotions[id]
        if promotion.state is PromotionState.SUCCEEDED:
            await self._go_onward(promotion)
        untold = await self._tell(claim, promotion)
        moments = [moment for moment in (next_check(promotion, now), again, untold) if moment is not None]
        return min(moments, default=None)

    async def _go_onward(self, promotion: Promotion) -> None:
        """The release goes by itself where the pipeline says so."""
        assert promotion.release is not None, "it was found before the gates"
        if promotion.stage.kind is not EnvironmentKind.STAGE:
            return
        records = stages_by_name(await self._promotions.stages(promotion.repository.id))
        stages = parse_configuration(promotion.policy).stages
        for name in next_stages(stages, records, promotion.stage.name, promotion.release.id):
            await self._service.promote_automatically(
                promotion.repository, name, promotion.release, promotion.number
            )

    async def _tell(self, claim: Claim, promotion: Promotion) -> datetime | None:
        """On its pull request, and as a Deployment. Where nobody can be told, it goes on all the same.

        Returns when to try again, None when it was told.
        """
        try:
            await self._tell_on_github(claim, promotion)
        except Rejected as error:
            log.warning("a promotion cannot be told about", reason=str(error))
        except Unavailable as error:
            log.info("a promotion is told about later", reason=str(error))
            return error.retry_at or self._clock() + OUTAGE_AGAIN
        return None

    async def _tell_on_github(self, claim: Claim, promotion: Promotion) -> None:
        pull = None
        if promotion.number is not None:
            pull = await self._pull_requests.pull_request(promotion.repository, promotion.number)
            if pull is None:
                return

        async def fence() -> None:
            await self._promotions.check(claim)

        async def save(receipt: str) -> None:
            await self._promotions.save_receipt(claim, promotion.id, receipt)

        receipt = await self._promotions.receipt(promotion.id)
        passing = promotion.state in _PASSING
        await self._reporter.report_promotion(promotion, pull, receipt, fence, save, passing=passing)
