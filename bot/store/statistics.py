"""Counts of environments, promotions and stages, for metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, Connection, func, select

from bot.environments.ports import Clock
from bot.model.environment import EnvironmentState
from bot.model.promotion import ENDED, PromotionState
from bot.store.database import Database
from bot.store.tables import NOT_DELETED, environments, promotions, stages

_RECOUNT = timedelta(minutes=10)
"""After this time all rows are counted again: a few settled ones were purged or have changed."""
_SETTLING = timedelta(minutes=1)
"""A row that changed longer ago than this was committed, by each replica."""
_OPEN = frozenset(PromotionState) - ENDED


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    environments: Mapping[str, int]
    """Number by state; states without environments are missing."""
    promotions: Mapping[str, int]
    """Number by state, including ended ones."""
    locked: int
    """Stages."""
    held: int
    approval_seconds: float
    """Waiting time of the oldest promotion that needs an approval."""


@dataclass(frozen=True, slots=True)
class _History:
    """Deleted environments and ended promotions by state, as they were at a moment."""

    until: datetime
    environments: Counter[str]
    promotions: Counter[str]


class SqlStatistics:
    """Counts the history once, and then only what is added to it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._history: _History | None = None

    async def read(self) -> StoreStatistics:
        now, history = self._clock(), self._history
        if history is None or now - history.until > _RECOUNT:
            until = now - _SETTLING
            history = self._history = await self._database.run(
                lambda connection: _read_history(connection, until)
            )
        return await self._database.run(lambda connection: _count(connection, history, now))


def _read_history(connection: Connection, until: datetime) -> _History:
    state, ended = promotions.c.state, promotions.c.state.in_(ENDED)
    gone = environments.c.state == EnvironmentState.GONE
    return _History(
        until,
        # The index by state answers without the rows; a condition on the time would read all of them.
        _count_by(connection, environments.c.state, gone) - _deleted_after(connection, until),
        _count_by(connection, state, ended, promotions.c.since <= until),
    )


def _count(connection: Connection, history: _History, now: datetime) -> StoreStatistics:
    state, waits = promotions.c.state, promotions.c.state == PromotionState.AWAITING_APPROVAL
    open_promotions = _count_by(connection, state, state.in_(_OPEN))
    ended = _count_by(connection, state, state.in_(ENDED), promotions.c.since > history.until)
    existing = _count_by(connection, environments.c.state, environments.c.state.in_(NOT_DELETED))
    locked = select(func.count()).select_from(stages).where(stages.c.locked_until > now)
    held = select(func.count()).select_from(stages).where(stages.c.held)
    oldest = connection.scalar(select(func.min(promotions.c.since)).where(waits))
    return StoreStatistics(
        environments=history.environments + existing + _deleted_after(connection, history.until),
        promotions=history.promotions + open_promotions + ended,
        locked=connection.scalar(locked) or 0,
        held=connection.scalar(held) or 0,
        approval_seconds=max((now - oldest).total_seconds(), 0.0) if oldest is not None else 0.0,
    )


def _deleted_after(connection: Connection, moment: datetime) -> Counter[str]:
    """Neither selects nor groups by state, so that the index by time finds the few rows that have changed."""
    changed = connection.scalars(select(environments.c.state).where(environments.c.updated_at > moment))
    return Counter(state for state in changed if state == EnvironmentState.GONE)


def _count_by(connection: Connection, state: Column[str], *conditions: ColumnElement[bool]) -> Counter[str]:
    rows = connection.execute(select(state, func.count()).where(*conditions).group_by(state))
    return Counter({row[0]: row[1] for row in rows})
