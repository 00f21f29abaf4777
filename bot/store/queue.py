"""Durable work queue: a key waits or runs, never both, never twice.

The token of its last claim shows who holds a key. All times come from the program's clock, so replicas should
agree to within a few seconds; otherwise a key may be leased too early, and the token keeps the first holder
from writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

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
from bot.store.database import Database, WorkMark, mark_work
from bot.store.postgresql import notify
from bot.store.tables import Moment, microseconds, storable, tokens, work

FIRST_BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(minutes=5)

SETTLING = timedelta(seconds=1)
"""A key whose desired state changes in quick succession waits until no change came for this long …"""
LONGEST_SETTLING = timedelta(seconds=15)
"""… and at most this long in total."""


_TRAILING = timedelta(seconds=1)
"""A settled key that was woken during its run is due again after this time, with all hints until then."""

Reader = Callable[[Connection, str], object]
"""Reads the record of a claimed subject, for `Claim.record`."""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Numbers of keys, and how long the oldest due one has waited; for metrics."""

    due: int
    later: int
    running: int
    oldest_seconds: float


class SqlWorkQueue:
    """`readers`: by kind of work, what a claim reads in its transaction."""

    def __init__(
        self, database: Database, clock: Clock, readers: Mapping[str, Reader] = MappingProxyType({})
    ) -> None:
        self._database = database
        self._clock = clock
        self._readers = readers
        self._running: dict[WorkKey, int] = {}
        """Tokens of the claims that this process has not ended."""
        self._woken: set[WorkKey] = set()
        self._woken_in_run: set[WorkKey] = set()
        self._notifications_before_claim = 0
        self._next_due: datetime | None = None
        """When the first waiting key is due, as of the last `claim` and the calls since."""
        self._due_changed = asyncio.Event()

    async def enqueue(self, keys: Iterable[WorkKey], not_before: datetime | None = None) -> None:
        """Makes keys due now, or at `not_before`.

        A waiting key keeps the earlier time; a running one runs once more.
        """
        work_keys = tuple(keys)
        if not work_keys:
            return
        at = not_before or self._clock()
        await self._database.run(lambda connection: enqueue(connection, work_keys, at))

    def wake(self, key: WorkKey) -> None:
        """Makes a key due now, without a transaction: a hint that ends with the process.

        The next claim stores it. A key that this process runs is due again when its run ends.
        """
        if key in self._running:
            self._woken_in_run.add(key)
        else:
            self._woken.add(key)
            self._note_due(self._clock())

    async def claim(self, owner: str, limit: int, lease_seconds: float) -> list[Claim]:
        """Leases up to `limit` keys that are due, or whose lease has expired, and reads their records.

        Fewer than `limit` claims mean that no other key is due now.
        """
        self._notifications_before_claim = self._database.work_signal.notifications
        now = self._clock()
        until = now + timedelta(seconds=lease_seconds)
        self._next_due = None
        woken, self._woken = self._woken, set()

        def claim(connection: Connection) -> tuple[list[Claim], datetime | None]:
            if woken:
                _store_due(connection, woken, now)
            claims, due = _claim(connection, owner, limit, now, until)
            return [self._with_record(connection, claim) for claim in claims], due

        try:
            claims, due = await self._database.run(claim)
        except BaseException:
            self._woken |= woken
            raise
        self._running |= {claim.key: claim.token for claim in claims}
        self._note_due(due)
        return claims

    def _with_record(self, connection: Connection, claim: Claim) -> Claim:
        reader = self._readers.get(claim.key.kind)
        return replace(claim, record=reader(connection, claim.key.subject)) if reader is not None else claim

    async def heartbeat(self, claims: Sequence[Claim], lease_seconds: float) -> list[Claim]:
        """Extends the leases; returns the claims that are lost: their work must stop."""
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
        """Ends the leases of killed processes, if no other process uses the database."""
        ended = update(work).where(work.c.running).values(leased_until=self._clock())

        def end(connection: Connection) -> None:
            connection.execute(ended)

        await self._database.run_alone(end)

    async def finish(self, claim: Claim, again_at: datetime | None = None) -> bool:
        """Ends a successful run: the key runs again at `again_at`, or when it was enqueued meanwhile.

        Makes the claim's last writes in the same transaction. False when the claim was lost before, which
        changes nothing, or when the last writes are superseded, which ends the run without them.
        """
        if self._end_run(claim):
            now = self._clock()
            again_at = now + _TRAILING if again_at is None else now

        def finish(connection: Connection) -> tuple[bool, datetime | None]:
            _write_last(connection, claim)
            return _finish(connection, claim, again_at)

        try:
            finished, due = await self._database.run(finish)
        except Superseded:
            finished = False
            _, due = await self._database.run(lambda connection: _finish(connection, claim, None))
        self._note_due(due)
        return finished

    def _end_run(self, claim: Claim) -> bool:
        """Whether the key was woken during the run."""
        if self._running.get(claim.key) != claim.token:
            return False
        del self._running[claim.key]
        woken = claim.key in self._woken_in_run
        self._woken_in_run.discard(claim.key)
        return woken

    async def fail(self, claim: Claim, error: str, at: datetime | None = None) -> bool:
        """Ends a failed run: retries at `at`, or after exponential backoff with full jitter, without limit.

        Makes the claim's last writes in the same transaction. False as for `finish`.
        """
        woken = self._end_run(claim)
        moment = self._clock() if woken else at or self._clock() + backoff(claim.attempts)
        values = {
            "running": False,
            "not_before": _earlier(work.c.again_at, moment),
            "again_at": None,
            "attempts": work.c.attempts + 1,
            "error": storable(error),
            "owner": None,
            "leased_until": None,
        }
        statement = update(work).where(holds(claim)).values(values).returning(work.c.not_before)

        def fail(connection: Connection) -> datetime | None:
            _write_last(connection, claim)
            due: datetime | None = connection.scalar(statement)
            return due

        try:
            due = await self._database.run(fail)
        except Superseded:
            claim.last_writes.clear()
            await self.finish(claim)
            return False
        self._note_due(due)
        return due is not None

    async def next_due(self) -> datetime | None:
        """When the next key can be claimed, possibly in the past; None when there is no work at all."""
        moment = case((work.c.running, work.c.leased_until), else_=_due())
        statement = select(func.min(moment, type_=work.c.not_before.type))
        return await self._database.run(lambda connection: connection.scalar(statement))

    async def look(self, key: WorkKey) -> ScheduledWork | None:
        """State of a key; None when it is not in the queue."""
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
        """Returns when the next `claim` can find a key, at the latest after `seconds`."""
        unsubscribe = self._database.work_signal.subscribe(self._due_changed.set)
        try:
            async with asyncio.timeout(seconds):
                while self._database.work_signal.notifications == self._notifications_before_claim:
                    self._due_changed.clear()
                    if not await self._wait_until_due():
                        return
        except TimeoutError:
            pass
        finally:
            unsubscribe()

    async def _wait_until_due(self) -> bool:
        """Waits for the first key to become due; True when a notification or an earlier key came first."""
        if self._next_due is None:
            return await self._due_changed.wait()
        pause = (self._next_due - self._clock()).total_seconds()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(pause, 0)):
                return await self._due_changed.wait()
        return False

    def _note_due(self, moment: datetime | None) -> None:
        if moment is not None and (self._next_due is None or moment < self._next_due):
            self._next_due = moment
            self._due_changed.set()


def backoff(attempts: int) -> timedelta:
    """Full jitter: anything up to a bound that doubles with each failure."""
    bound = min(LONGEST_BACKOFF, FIRST_BACKOFF * (1 << min(attempts, 16)))
    return bound * random.random()  # noqa: S311 - spreads load, keeps no secret


def holds(claim: Claim) -> ColumnElement[bool]:
    """True for the row of a claim that is still the current one."""
    return and_(work.c.key == str(claim.key), work.c.token == claim.token, work.c.running)


def require_claim(connection: Connection, claim: Claim) -> None:
    """Within a transaction: locks the claim's row; Superseded when the claim is no longer held."""
    held = select(work.c.key).where(holds(claim)).with_for_update()
    if connection.execute(held).one_or_none() is None:
        raise Superseded(f"Another worker has taken over {claim.key}.")


def enqueue(
    connection: Connection, keys: Iterable[WorkKey], at: datetime, settling: Collection[WorkKey] = ()
) -> None:
    """Within a transaction; keys in `settling` are not due before they have settled."""
    running = _store_due(connection, keys, at, settling)
    if not all(running):  # the end of a run makes its key due again
        mark_work(connection, WorkMark.DUE)
        notify(connection)
    elif running:
        mark_work(connection, WorkMark.RUNNING)


def _store_due(
    connection: Connection, keys: Iterable[WorkKey], at: datetime, settling: Collection[WorkKey] = ()
) -> list[bool]:
    """Whether each of the keys runs."""
    moment, settled = microseconds(at), microseconds(at + SETTLING)
    delayed = {str(key) for key in settling}
    immediate = {str(key) for key in keys} - delayed
    rows = [
        (key, moment, moment, settled) if key in delayed else (key, moment, None, None)
        for key in sorted(immediate | delayed)
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


def _claim(
    connection: Connection, owner: str, limit: int, now: datetime, until: datetime
) -> tuple[list[Claim], datetime | None]:
    """The claims, and when the next waiting key is due."""
    claimable = or_(
        and_(work.c.running.is_(False), work.c.not_before <= now, _due() <= now),
        and_(work.c.running, work.c.leased_until <= now),
    )
    chosen = (
        select(work.c.key, work.c.attempts, work.c.running).where(claimable).order_by(_due()).limit(limit)
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
    first = func.min(_due(), type_=work.c.not_before.type)
    return connection.scalar(select(first).where(work.c.running.is_(False)))


def _write_last(connection: Connection, claim: Claim) -> None:
    for write in claim.last_writes:
        write(connection)


def _finish(connection: Connection, claim: Claim, again_at: datetime | None) -> tuple[bool, datetime | None]:
    """Whether the claim was held, and when its key is due again."""
    if again_at is None:
        removed = delete(work).where(holds(claim), work.c.again_at.is_(None))
        if connection.execute(removed).rowcount == 1:
            return True, None
    values = {
        "running": False,
        "not_before": _earlier(work.c.again_at, again_at) if again_at else work.c.again_at,
        "again_at": None,
        "attempts": 0,
        "error": "",
        "owner": None,
        "leased_until": None,
    }
    statement = update(work).where(holds(claim)).values(values).returning(work.c.not_before)
    due = connection.scalar(statement)
    return due is not None, due


def _due() -> ColumnElement[datetime]:
    return case((work.c.settled_at > work.c.not_before, work.c.settled_at), else_=work.c.not_before)


def _earlier(column: ColumnElement[datetime | None], moment: datetime) -> ColumnElement[datetime | None]:
    return case((column <= moment, column), else_=literal(moment, Moment))
