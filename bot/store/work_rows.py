"""Rows of the work queue: statements that run within a transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, literal, or_, select, update

from bot.model.errors import Superseded
from bot.model.work import Claim, WorkKey
from bot.store.bulk import BulkStatement
from bot.store.database import WorkMark, mark_work
from bot.store.postgresql import notify
from bot.store.tables import Moment, microseconds, tokens, work

SETTLING = timedelta(seconds=1)
"""A key whose desired state changes in quick succession waits until no change came for this long …"""
LONGEST_SETTLING = timedelta(seconds=15)
"""… and at most this long in total."""


def holds(claim: Claim) -> ColumnElement[bool]:
    """True for the row of a claim that is still the current one."""
    return and_(work.c.key == str(claim.key), work.c.token == claim.token, work.c.running)


def require_claim(connection: Connection, claim: Claim) -> None:
    """Within a transaction: locks the claim's row; Superseded when the claim is no longer held."""
    held = select(work.c.key).where(holds(claim)).with_for_update()
    if connection.execute(held).one_or_none() is None:
        raise Superseded(f"Another worker has taken over {claim.key}.")


def enqueue(
    connection: Connection,
    keys: Iterable[WorkKey],
    at: datetime,
    settling: Collection[WorkKey] = (),
    spacing: timedelta = timedelta(),
) -> None:
    """Within a transaction; keys in `settling` are not due before they have settled.

    With a spacing, the first key is due at `at`, and each further one later by the spacing.
    """
    running = store_due(connection, keys, at, settling, spacing)
    if not all(running):  # the end of a run makes its key due again
        mark_work(connection, WorkMark.DUE)
        notify(connection)
    elif running:
        mark_work(connection, WorkMark.RUNNING)


def store_due(
    connection: Connection,
    keys: Iterable[WorkKey],
    at: datetime,
    settling: Collection[WorkKey] = (),
    spacing: timedelta = timedelta(),
) -> list[bool]:
    """Whether each of the keys runs."""
    moment, settled = microseconds(at), microseconds(at + SETTLING)
    delayed = {str(key) for key in settling}
    immediate = {str(key) for key in keys} - delayed
    step = spacing // timedelta(microseconds=1)
    rows = [
        (key, moment, moment, settled) if key in delayed else (key, moment + number * step, None, None)
        for number, key in enumerate(sorted(immediate | delayed))
    ]
    return [bool(row[0]) for row in _ENQUEUE.run(connection, rows)]


_ENQUEUE = BulkStatement(
    """
    INSERT INTO work (key, running, not_before, settling_since, settled_at, attempts, token, error)
    SELECT rows.key, false, rows.at, rows.since, rows.settled, 0, 0, '' FROM {rows} WHERE true
    ON CONFLICT (key) DO UPDATE SET
        not_before = CASE WHEN work.running OR work.not_before <= excluded.not_before
                     THEN work.not_before ELSE excluded.not_before END,
        again_at = CASE WHEN NOT work.running THEN NULL
                   WHEN work.again_at <= excluded.not_before THEN work.again_at
                   ELSE excluded.not_before END,
        settling_since = coalesce(work.settling_since, excluded.settling_since),
        settled_at = CASE WHEN excluded.settled_at IS NULL THEN work.settled_at
                     WHEN work.settling_since + {longest} <= excluded.settled_at THEN work.settled_at
                     ELSE excluded.settled_at END
    RETURNING running
    """.replace("{longest}", str(LONGEST_SETTLING // timedelta(microseconds=1))),
    {"key": "text", "at": "bigint", "since": "bigint", "settled": "bigint"},
)


def claim_due(
    connection: Connection, owner: str, limit: int, now: datetime, until: datetime
) -> tuple[list[Claim], datetime | None]:
    """The claims, and when the next waiting key is due."""
    claimable = or_(
        and_(work.c.running.is_(False), work.c.not_before <= now, due_at() <= now),
        and_(work.c.running, work.c.leased_until <= now),
    )
    chosen = (
        select(work.c.key, work.c.attempts, work.c.running).where(claimable).order_by(due_at()).limit(limit)
    )
    rows = connection.execute(chosen.with_for_update(skip_locked=True)).all()
    if not rows:
        return [], _first_due(connection)
    token = connection.execute(
        update(tokens).values(last=tokens.c.last + 1).returning(tokens.c.last)
    ).scalar_one()
    values = {
        "running": True,
        "token": token,
        "owner": owner,
        "leased_until": until,
        # An expired lease counts as a failed run.
        "attempts": case((work.c.running, work.c.attempts + 1), else_=work.c.attempts),
        "again_at": None,
        "settling_since": None,
        "settled_at": None,
    }
    connection.execute(update(work).where(work.c.key.in_([row.key for row in rows])).values(values))
    claims = [Claim(WorkKey.parse(row.key), token, row.attempts + row.running, until) for row in rows]
    return claims, _first_due(connection)


def _first_due(connection: Connection) -> datetime | None:
    first = func.min(due_at(), type_=work.c.not_before.type)
    return connection.scalar(select(first).where(work.c.running.is_(False)))


def write_last(connection: Connection, claim: Claim) -> None:
    for write in claim.last_writes:
        write(connection)


def finish_claim(
    connection: Connection, claim: Claim, again_at: datetime | None
) -> tuple[bool, datetime | None]:
    """Whether the claim was held, and when its key is due again."""
    if again_at is None:
        removed = delete(work).where(holds(claim), work.c.again_at.is_(None))
        if connection.execute(removed).rowcount == 1:
            return True, None
    values = {
        "running": False,
        "not_before": earlier(work.c.again_at, again_at) if again_at else work.c.again_at,
        "again_at": None,
        "attempts": 0,
        "error": "",
        "owner": None,
        "leased_until": None,
    }
    statement = update(work).where(holds(claim)).values(values).returning(work.c.not_before)
    due = connection.scalar(statement)
    return due is not None, due


def due_at() -> ColumnElement[datetime]:
    return case((work.c.settled_at > work.c.not_before, work.c.settled_at), else_=work.c.not_before)


def earlier(column: ColumnElement[datetime | None], moment: datetime) -> ColumnElement[datetime | None]:
    return case((column <= moment, column), else_=literal(moment, Moment))
