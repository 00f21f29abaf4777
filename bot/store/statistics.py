"""Counts of environments, promotions and stages, for metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, Connection, func, select

from bot.environments.ports import Clock
from bot.model.promotion import PromotionState
from bot.store.database import Database
from bot.store.tables import environments, promotions, stages


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    environments: Mapping[str, int]
    """By state; states without environments are missing."""
    promotions: Mapping[str, int]
    """By state, including ended ones."""
    locked: int
    """Stages."""
    held: int
    approval_seconds: float
    """Waiting time of the oldest promotion that needs an approval."""


class SqlStatistics:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def read(self) -> StoreStatistics:
        now = self._clock()
        waits = promotions.c.state == PromotionState.AWAITING_APPROVAL

        def count(connection: Connection) -> StoreStatistics:
            locked = select(func.count()).select_from(stages).where(stages.c.locked_until > now)
            held = select(func.count()).select_from(stages).where(stages.c.held)
            oldest = connection.scalar(select(func.min(promotions.c.since)).where(waits))
            return StoreStatistics(
                environments=_count_by(connection, environments.c.state),
                promotions=_count_by(connection, promotions.c.state),
                locked=connection.scalar(locked) or 0,
                held=connection.scalar(held) or 0,
                approval_seconds=max((now - oldest).total_seconds(), 0.0) if oldest is not None else 0.0,
            )

        return await self._database.run(count)


def _count_by(connection: Connection, state: Column[str]) -> Mapping[str, int]:
    rows = connection.execute(select(state, func.count()).group_by(state))
    return {row[0]: row[1] for row in rows}
