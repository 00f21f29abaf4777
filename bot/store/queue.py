"""The durable work queue: a key waits or runs, never both, never twice.

Who holds a key is told by the token of its last claim. All moments come from the program's clock, so
replicas should agree on the time to within a few seconds; when they do not, a key may be leased too early,
and the token keeps the first holder from writing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from bot.environments.ports import Clock
from bot.model.errors import Superseded
from bot.model.work import Claim, ScheduledWork, WorkKey
from bot.store.bulk import BulkStatement
from bot.store.database import Database
from bot.store.postgresql import notify
from bot.store.tables import Moment, microseconds, storable, tokens, work

FIRST_BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(minutes=5)

SETTLING = timedelta(seconds=1)
"""Changes of desire in quick succession: a key rests until none came for so long …"""
LONGEST_SETTLING = timedelta(seconds=15)
"""… but not longer than this altogether."""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """For metrics: how many keys, and how long the oldest due one has waited."""

    due: int
    later: int
    running: int
    oldest_seconds: float


class SqlWorkQueue:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._notifications_before_claim = 0

    async def enqueue(self, keys: Iterable[WorkKey], not_before: datetime | None = None) -> None:
        """A waiting key keeps the earlier moment; a running one runs once more after it."""
        wanted = tuple(keys)
        if not wanted:
            return
        at = not_before or self._clock()
        await self._database.run(lambda connection: enqueue(connection, wanted, at))
        self._database.work_signal.notify()

    async def claim(self, owner: str, limit: int, lease_seconds: float) -> list[Claim]:
        """Leases up to `limit` keys that are due, or whose holder let the lease run out."""
        self._notifications_before_claim = self._database.work_signal.notifications
        now = self._clock()
        until = now + timedelta(seconds=lease_seconds)
        return await self._database.run(lambda connection: _claim(connection, owner, limit, now, until))

    async def heartbeat(self, claims: Sequence[Claim], lease_seconds: float) -> list[Claim]:
        """Extends the leases; gives back the claims that are lost: their work must stop."""
        until = self._clock() + timedelta(seconds=lease_seconds)

        def extend(connection: Connection) -> list[Claim]:
            lost = []
            for claim in sorted(claims, key=lambda claim: str(claim.key)):
                statement = update(work).where(holds(claim)).values(leased_until=until)
                if connection.execute(statement).rowcount == 0:
                    lost.append(claim)
            return lost

        return await self._database.run(extend)

    async def void_leases(self) -> None:
        """Ends the leases of processes that were killed, where it is certain that nobody works."""
        ended = update(work).where(work.c.running).values(leased_until=self._clock())

        def end(connection: Connection) -> None:
            connection.execute(ended)

        await self._database.run_alone(end)

    async def finish(self, claim: Claim, again_at: datetime | None = None) -> bool:
        """The run went well: the key is gone, or waits until `again_at`, or for what was asked meanwhile.

        False when the claim was lost before; then nothing is changed.
        """
        finished = await self._database.run(lambda connection: _finish(connection, claim, again_at))
        self._database.work_signal.notify()
        return finished

    async def fail(self, claim: Claim, error: str, at: datetime | None = None) -> bool:
        """The run failed: again at `at`, or after a growing pause with full jitter. It never gives up.

        False when the claim was lost before; then nothing is changed.
        """
        moment = at or self._clock() + backoff(claim.attempts)
        values = {
            "running": False,
            "not_before": _earlier(work.c.again_at, moment),
            "again_at": None,
            "attempts": work.c.attempts + 1,
            "error": storable(error),
            "owner": None,
            "leased_until": None,
        }
        statement = update(work).where(holds(claim)).values(values)
        failed = await self._database.run(lambda connection: connection.execute(statement).rowcount == 1)
        self._database.work_signal.notify()
        return failed

    async def next_due(self) -> datetime | None:
        """When the next key can be claimed: it may be in the past; None when there is no work at all."""
        moment = case((work.c.running, work.c.leased_until), else_=_due())
        statement = select(func.min(moment, type_=work.c.not_before.type))
        return await self._database.run(lambda connection: connection.scalar(statement))

    async def look(self, key: WorkKey) -> ScheduledWork | None:
        """Where a key stands; None when nothing is to be done."""
        moment = case((work.c.running, work.c.leased_until), else_=_due())
        statement = select(work.c.running, type_coerce(moment, Moment), work.c.attempts, work.c.error).where(
            work.c.key == str(key)
        )
        row = await self._database.run(lambda connection: connection.execute(statement).one_or_none())
        return ScheduledWork(*row) if row else None

    async def depth(self) -> QueueDepth:
        now = self._clock()
        waiting = work.c.running.is_(False)
        statement = select(
            func.count().filter(and_(waiting, _due() <= now)),
            func.count().filter(and_(waiting, _due() > now)),
            func.count().filter(work.c.running),
            func.min(_due(), type_=work.c.not_before.type).filter(and_(waiting, _due() <= now)),
        )
        row = await self._database.run(lambda connection: connection.execute(statement).one())
        due, later, running, oldest = row
        return QueueDepth(due, later, running, (now - oldest).total_seconds() if oldest else 0.0)

    async def wait_for_work(self, seconds: float) -> None:
        """Returns when the next `claim` may find something, at the latest after so many seconds."""
        notified = asyncio.Event()
        unsubscribe = self._database.work_signal.subscribe(notified.set)
        try:
            if self._database.work_signal.notifications != self._notifications_before_claim:
                return
            due = await self.next_due()
            pause = seconds if due is None else min(seconds, (due - self._clock()).total_seconds())
            if pause > 0:
                async with asyncio.timeout(pause):
                    await notified.wait()
        except TimeoutError:
            pass
        finally:
            unsubscribe()


def backoff(attempts: int) -> timedelta:
    """Full jitter: anything up to a bound that doubles with each failure."""
    bound = min(LONGEST_BACKOFF, FIRST_BACKOFF * (1 << min(attempts, 16)))
    return bound * random.random()  # noqa: S311 - spreads load, keeps no secret


def holds(claim: Claim) -> ColumnElement[bool]:
    """True for the row of a claim that is still the current one."""
    return and_(work.c.key == str(claim.key), work.c.token == claim.token, work.c.running)


def require_claim(connection: Connection, claim: Claim) -> None:
    """Within a transaction: locks the claim's row; Superseded when it is not held any more."""
    held = select(work.c.key).where(holds(claim)).with_for_update()
    if connection.execute(held).one_or_none() is None:
        raise Superseded(f"{claim.key} was taken over by another worker.")


def enqueue(
    connection: Connection, keys: Iterable[WorkKey], at: datetime, settling: Collection[WorkKey] = ()
) -> None:
    """Within a transaction; those that are `settling` rest first, whoever else asks for them."""
    moment, settled = microseconds(at), microseconds(at + SETTLING)
    resting = {str(key) for key in settling}
    calm = {str(key) for key in keys} - resting
    rows = [
        (key, moment, moment, settled) if key in resting else (key, moment, None, None)
        for key in sorted(calm | resting)
    ]
    if rows:
        _ENQUEUE.run(connection, rows)
        notify(connection)


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
    """.replace("{longest}", str(LONGEST_SETTLING // timedelta(microseconds=1))),
    {"key": "text", "at": "bigint", "since": "bigint", "settled": "bigint"},
)


def _claim(connection: Connection, owner: str, limit: int, now: datetime, until: datetime) -> list[Claim]:
    claimable = or_(
        and_(work.c.running.is_(False), work.c.not_before <= now, _due() <= now),
        and_(work.c.running, work.c.leased_until <= now),
    )
    chosen = (
        select(work.c.key, work.c.attempts, work.c.running).where(claimable).order_by(_due()).limit(limit)
    )
    rows = connection.execute(chosen.with_for_update(skip_locked=True)).all()
    if not rows:
        return []
    token = connection.execute(
        update(tokens).values(last=tokens.c.last + 1).returning(tokens.c.last)
    ).scalar_one()
    values = {
        "running": True,
        "token": token,
        "owner": owner,
        "leased_until": until,
        # A lease that ran out counts as a failed run.
        "attempts": case((work.c.running, work.c.attempts + 1), else_=work.c.attempts),
        "again_at": None,
        "settling_since": None,
        "settled_at": None,
    }
    connection.execute(update(work).where(work.c.key.in_([row.key for row in rows])).values(values))
    return [Claim(WorkKey.parse(row.key), token, row.attempts + row.running, until) for row in rows]


def _finish(connection: Connection, claim: Claim, again_at: datetime | None) -> bool:
    if again_at is None:
        gone = delete(work).where(holds(claim), work.c.again_at.is_(None))
        if connection.execute(gone).rowcount == 1:
            return True
    values = {
        "running": False,
        "not_before": _earlier(work.c.again_at, again_at) if again_at else work.c.again_at,
        "again_at": None,
        "attempts": 0,
        "error": "",
        "owner": None,
        "leased_until": None,
    }
    return connection.execute(update(work).where(holds(claim)).values(values)).rowcount == 1


def _due() -> ColumnElement[datetime]:
    return case((work.c.settled_at > work.c.not_before, work.c.settled_at), else_=work.c.not_before)


def _earlier(column: ColumnElement[datetime | None], moment: datetime) -> ColumnElement[datetime | None]:
    return case((column <= moment, column), else_=literal(moment, Moment))
