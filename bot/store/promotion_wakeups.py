"""Enqueues promotions after a change of what they depend on; within a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from bot.model.environment import EnvironmentKey
from bot.model.work import WorkKey
from bot.store.tables import promotions
from bot.store.work_rows import enqueue


def wake_stage(connection: Connection, stage: EnvironmentKey, now: datetime) -> None:
    """After a change of the stage's environment: enqueues the stage's open promotions."""
    enqueue(connection, [WorkKey.promotion(id) for id in open_promotions(connection, stage)], now)


def wake_all(connection: Connection, repository_id: int, now: datetime) -> None:
    """Enqueues all open promotions of a repository."""
    statement = select(promotions.c.id).where(
        promotions.c.repository_id == repository_id, promotions.c.ended.is_(False)
    )
    enqueue(connection, [WorkKey.promotion(id) for id in connection.scalars(statement)], now)


def wake_pending(connection: Connection, repository_id: int, now: datetime) -> None:
    """Enqueues the promotions that wait for their gates."""
    statement = select(promotions.c.id).where(
        promotions.c.repository_id == repository_id,
        promotions.c.ended.is_(False),
        promotions.c.moving.is_(False),
    )
    enqueue(connection, [WorkKey.promotion(id) for id in connection.scalars(statement)], now)


def open_promotions(connection: Connection, stage: EnvironmentKey) -> Sequence[str]:
    statement = select(promotions.c.id).where(promotions.c.stage == str(stage), promotions.c.ended.is_(False))
    return list(connection.scalars(statement))
