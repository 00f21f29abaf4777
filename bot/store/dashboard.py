"""Reads what the dashboard lists. Each query has a limit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, or_, select

from bot.model.dashboard import Attention, EnvironmentFilter, Listing
from bot.model.drift import DriftState
from bot.model.environment import Environment, EnvironmentState
from bot.model.promotion import ACTIVE, PromotionState
from bot.store.database import Database
from bot.store.drifts import read_drifts
from bot.store.environment_rows import read_row
from bot.store.stage_rows import query_promotions, query_stages
from bot.store.tables import NOT_DELETED, drifts, environments, promotions, stages

_TROUBLED = (EnvironmentState.FAILED, EnvironmentState.CHECKS_FAILED)
_MAX_AUTHORS = 200


class SqlDashboard:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def attention(self, repository_ids: Collection[int], now: datetime, limit: int) -> Attention:
        """What needs attention in these repositories, at most `limit` of each kind."""
        return await self._database.run(
            lambda connection: _attention(connection, sorted(repository_ids), now, limit)
        )

    async def listing(
        self, repository_ids: Collection[int], selection: EnvironmentFilter, limit: int, page: int
    ) -> tuple[Listing, int]:
        """Environments that exist in these repositories, by repository, newest first.

        Also returns the number of the page, which is the last one for a number beyond it.
        """
        return await self._database.run(
            lambda connection: _listing(connection, sorted(repository_ids), selection, limit, page)
        )


def _attention(connection: Connection, ids: Sequence[int], now: datetime, limit: int) -> Attention:
    troubled = (environments.c.repository_id.in_(ids), environments.c.state.in_(_TROUBLED))
    latest = select(environments.c.key).where(*troubled).order_by(environments.c.updated_at.desc())
    kept = select(stages.c.record).where(
        stages.c.repository_id.in_(ids), or_(stages.c.held, stages.c.locked_until > now)
    )
    drifted = select(drifts.c.record).where(
        drifts.c.repository_id.in_(ids), drifts.c.state == DriftState.DRIFTED
    )
    # By state first: an index lists the few promotions that wait for an approval.
    awaiting = select(promotions.c.record).where(
        promotions.c.state == PromotionState.AWAITING_APPROVAL, promotions.c.repository_id.in_(ids)
    )
    active = select(promotions.c.record).where(
        promotions.c.state.in_(ACTIVE), promotions.c.repository_id.in_(ids)
    )
    approvals = [
        *query_promotions(connection, awaiting.order_by(promotions.c.since).limit(limit)),
        *(promotion for promotion in query_promotions(connection, active) if promotion.awaits_plan),
    ]
    return Attention(
        environments=_read(connection, connection.scalars(latest.limit(limit)).all()),
        environment_count=connection.scalar(select(func.count()).select_from(environments).where(*troubled))
        or 0,
        stages=query_stages(connection, kept.order_by(stages.c.key).limit(limit)),
        drifts=read_drifts(connection, drifted.order_by(drifts.c.key).limit(limit)),
        approvals=sorted(approvals, key=lambda promotion: promotion.since)[:limit],
    )


def _listing(
    connection: Connection, ids: Sequence[int], selection: EnvironmentFilter, limit: int, page: int
) -> tuple[Listing, int]:
    shown = (environments.c.repository_id.in_(ids), environments.c.state.in_(NOT_DELETED))
    matching = (*shown, *_conditions(selection))
    count = connection.scalar(select(func.count()).select_from(environments).where(*matching)) or 0
    page = min(max(page, 1), max(-(-count // limit), 1))
    keys = (
        select(environments.c.key)
        .where(*matching)
        .order_by(
            func.lower(environments.c.owner),
            func.lower(environments.c.repository),
            environments.c.created_at.desc(),
            environments.c.key,
        )
        .limit(limit)
        .offset((page - 1) * limit)
    )
    authors = (
        select(environments.c.author)
        .where(*shown, environments.c.author != "")
        .distinct()
        .order_by(environments.c.author)
        .limit(_MAX_AUTHORS)
    )
    listed = _read(connection, connection.scalars(keys).all())
    return Listing(listed, count, connection.scalars(authors).all()), page


def _conditions(selection: EnvironmentFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if selection.repository_id is not None:
        conditions.append(environments.c.repository_id == selection.repository_id)
    if selection.state is not None:
        conditions.append(environments.c.state == selection.state)
    if selection.author:
        conditions.append(environments.c.author == selection.author)
    conditions += [
        environments.c.search_text.contains(word, autoescape=True) for word in selection.text.lower().split()
    ]
    return conditions


def _read(connection: Connection, keys: Sequence[str]) -> list[Environment]:
    """The environments with these keys, in this order."""
    rows = connection.execute(select(environments).where(environments.c.key.in_(keys))).all()
    by_key = {row.key: read_row(connection, row) for row in rows}
    return [by_key[key] for key in keys if key in by_key]
