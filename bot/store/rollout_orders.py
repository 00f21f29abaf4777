"""What users requested of the rollout of a stage."""

from __future__ import annotations

from sqlalchemy import Connection, select

from bot.model.environment import EnvironmentKey
from bot.model.promotion import Promotion, PromotionState
from bot.model.rollout import RolloutOrders
from bot.store.database import Database
from bot.store.documents import resolver
from bot.store.records import decoder
from bot.store.tables import promotions

_read = decoder(Promotion)


class SqlRolloutOrders:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def rollout_orders(self, stage: EnvironmentKey) -> RolloutOrders:
        """Those of the stage's active promotion."""
        statement = select(promotions.c.record).where(
            promotions.c.stage == str(stage), promotions.c.moving.is_(True)
        )

        def read(connection: Connection) -> RolloutOrders:
            record = connection.scalars(statement).first()
            if record is None:
                return RolloutOrders()
            promotion = _read(record, resolver(connection))
            skipped = bool(promotion.analysis_skipped_by)
            return RolloutOrders(bool(promotion.paused_by), promotion.resumed, skipped)

        return await self._database.run(read)


def has_orders(before: Promotion | None, after: Promotion) -> bool:
    """Whether a user paused or resumed a rollout, or skipped its analysis."""
    if before is None or after.state not in (PromotionState.DEPLOYING, PromotionState.ROLLING_OUT):
        return False
    orders = [(item.paused_by, item.resumed, item.analysis_skipped_by) for item in (before, after)]
    return orders[0] != orders[1]
