"""Reconciles promotions: advances the state machine with current facts and reports on GitHub."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.config.loader import parse_configuration
from bot.environments.ports import Fence
from bot.model.environment import Environment, EnvironmentKind
from bot.model.errors import Rejected, Unavailable
from bot.model.promotion import ENDED, Promotion, PromotionState
from bot.model.work import Claim
from bot.promotions.facts_reader import OUTAGE_RETRY, FactsReader
from bot.promotions.pipeline import next_stages, stages_by_name
from bot.promotions.ports import PromotionReporter
from bot.promotions.service import PromotionService
from bot.promotions.stage_aggregate import StageAggregate
from bot.promotions.state_machine import next_check, step

log = structlog.get_logger()

_DEFERRABLE = frozenset({PromotionState.DEPLOYING, PromotionState.VERIFYING})
"""States that end soon and require no action: their reports give way to other writes."""


@dataclass(frozen=True, slots=True)
class PromotionReconciler:
    """Handler of `promotion:` work."""

    service: PromotionService
    facts_reader: FactsReader
    reporter: PromotionReporter

    async def __call__(self, claim: Claim) -> datetime | None:
        """Returns when to run again unless woken before; None when the promotion has ended."""
        service, id = self.service, claim.key.subject
        loaded = await service.promotions.claimed(claim)
        if loaded is None:
            return None
        promotion, environment = loaded.promotion, loaded.environment
        structlog.contextvars.bind_contextvars(promotion=id, stage=promotion.stage.name)

        async def fence() -> None:
            await service.promotions.check(claim)

        facts, read_again = await self.facts_reader.facts(promotion, environment, loaded.seen, fence)
        now = service.clock()

        def advance(aggregate: StageAggregate) -> StageAggregate:
            return step(aggregate, id, facts, now)

        aggregate = await service.change(
            promotion.stage, promotion.repository, advance, promotion_id=id, claim=claim
        )
        promotion = aggregate.promotions[id]
        if promotion.state is PromotionState.SUCCEEDED and promotion.successor is None:
            await self._promote_onward(promotion)
        ends = loaded.promotion.state not in ENDED and promotion.state in ENDED
        report_again = await self._report(claim, promotion, loaded.receipt, ends=ends)
        discard_again = None
        if promotion.state in ENDED:
            discard_again = await self._discard_plan(promotion, environment, fence)
        moments = (next_check(promotion, now), read_again, report_again, discard_again)
        return min((moment for moment in moments if moment is not None), default=None)

    async def _promote_onward(self, promotion: Promotion) -> None:
        """Requests the automatic promotions that follow."""
        assert promotion.release is not None, "gates pass only with a release"
        if promotion.stage.kind is not EnvironmentKind.STAGE:
            return
        stages = parse_configuration(promotion.policy).stages
        if not any(stage.automatic for stage in stages.values()):
            return
        records = stages_by_name(await self.service.promotions.stages(promotion.repository.id))
        for name in next_stages(stages, records, promotion.stage.name, promotion.release.id):
            await self.service.promote_automatically(
                promotion.repository, name, promotion.release, promotion.number
            )

    async def _discard_plan(
        self, promotion: Promotion, environment: Environment | None, fence: Fence
    ) -> datetime | None:
        """Returns when to try again. An outage of the cluster does not keep the result from users."""
        try:
            await self.facts_reader.discard_plan(promotion, environment, fence)
        except Rejected as error:
            log.warning("plan not discarded", reason=str(error))
        except Unavailable as error:
            log.debug("plan not discarded yet", reason=str(error))
            return error.retry_at or self.service.clock() + OUTAGE_RETRY
        return None

    async def _report(
        self, claim: Claim, promotion: Promotion, receipt: str, *, ends: bool
    ) -> datetime | None:
        """Updates comment and Deployment; returns when to try again. A failed report stops no promotion."""
        try:
            await self._report_on_github(claim, promotion, receipt, ends=ends)
        except Rejected as error:
            log.warning("promotion report rejected", reason=str(error))
        except Unavailable as error:
            log.debug("promotion report deferred", reason=str(error))
            return error.retry_at or self.service.clock() + OUTAGE_RETRY
        return None

    async def _report_on_github(
        self, claim: Claim, promotion: Promotion, receipt: str, *, ends: bool
    ) -> None:
        promotions, pull = self.service.promotions, None
        if promotion.number is not None:
            readers = self.service.github
            pull = await readers.pull_requests.pull_request(promotion.repository, promotion.number)
            if pull is None:
                return

        unsaved: str | None = None

        async def fence() -> None:
            nonlocal unsaved
            if unsaved is None:
                await promotions.check(claim)
            else:
                await promotions.save_receipt(claim, promotion.id, unsaved)
                unsaved = None

        async def save(receipt: str) -> None:
            """Stored by the fence of the next write, and at the end of the run."""
            nonlocal unsaved
            unsaved = receipt

        deferrable = promotion.state in _DEFERRABLE
        try:
            await self.reporter.report_promotion(
                promotion, pull, receipt, fence, save, deferrable=deferrable, ends=ends
            )
        finally:
            if unsaved is not None:
                await promotions.save_receipt(claim, promotion.id, unsaved, last=True)
