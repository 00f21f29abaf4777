"""Durable work queue: a key waits or runs, never both, never twice.

The token of its last claim shows who holds a key. All times come from the program's clock, so replicas should
agree to within a few seconds; otherwise a key may be leased too early, and the token keeps the first holder
from writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import (
    Connection,
    and_,
    case,
    func,
    select,
    type_coerce,
    update,
)

from bot.environments.ports import Clock
from bot.model.errors import Superseded
from bot.model.work import Claim, ScheduledWork, WorkKey
from bot.store.database import Database
from bot.store.tables import Moment, storable, work
from bot.store.work_rows import (
    claim_due,
    due_at,
    earlier,
    enqueue,
    finish_claim,
    holds,
    store_due,
    write_last,
)

FIRST_BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(minutes=5)

_TRAILING = timedelta(seconds=1)
"""A settled key that was woken during its run is due again after this time, with all hints until then."""

_BURST = timedelta(milliseconds=50)
"""A hint takes effect after this time: a pod that becomes ready is followed by its Deployment."""

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
        self._woken: dict[WorkKey, datetime] = {}
        """When each key is due."""
        self._woken_in_run: set[WorkKey] = set()
        self._notifications_before_claim = 0
        self._next_due: datetime | None = None
        """When the first waiting key is due, as of the last `claim` and the calls since."""
        self._due_changed = asyncio.Event()

    async def enqueue(
        self,
        keys: Iterable[WorkKey],
        not_before: datetime | None = None,
        *,
        spacing: timedelta = timedelta(),
    ) -> None:
        """Makes keys due now, or at `not_before`, each one `spacing` later than the one before.

        A waiting key keeps the earlier time; a running one runs once more.
        """
        work_keys = tuple(keys)
        if not work_keys:
            return
        at = not_before or self._clock()
        await self._database.run(lambda connection: enqueue(connection, work_keys, at, spacing=spacing))

    def wake(self, key: WorkKey) -> None:
        """Makes a key due after `_BURST`, without a transaction: a hint that ends with the process.

        The next claim stores it. A key that this process runs is due again when its run ends.
        """
        if key in self._running:
            self._woken_in_run.add(key)
        else:
            self._note_due(self._woken.setdefault(key, self._clock() + _BURST))

    async def claim(self, owner: str, limit: int, lease_seconds: float) -> list[Claim]:
        """Leases up to `limit` keys that are due, or whose lease has expired, and reads their records.

        Fewer than `limit` claims mean that no other key is due now.
        """
        self._notifications_before_claim = self._database.work_signal.notifications
        now = self._clock()
        until = now + timedelta(seconds=lease_seconds)
        self._next_due = None
        woken = {key for key, at in self._woken.items() if at <= now}
        self._woken = {key: at for key, at in self._woken.items() if at > now}

        def lease(connection: Connection) -> tuple[list[Claim], datetime | None]:
            if woken:
                store_due(connection, woken, now)
            claims, due = claim_due(connection, owner, limit, now, until)
            return [self._with_record(connection, claim) for claim in claims], due

        try:
            claims, due = await self._database.run(lease)
        except BaseException:
            self._woken |= dict.fromkeys(woken, now)
            raise
        for claim in claims:
            self._running[claim.key] = claim.token
            self._woken.pop(claim.key, None)
        for moment in (due, *self._woken.values()):
            self._note_due(moment)
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
            again_at = self._clock() + (_TRAILING if again_at is None else _BURST)

        def finish(connection: Connection) -> tuple[bool, datetime | None]:
            write_last(connection, claim)
            return finish_claim(connection, claim, again_at)

        try:
            finished, due = await self._database.run(finish)
        except Superseded:
            finished = False
            _, due = await self._database.run(lambda connection: finish_claim(connection, claim, None))
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
            "not_before": earlier(work.c.again_at, moment),
            "again_at": None,
            "attempts": work.c.attempts + 1,
            "error": storable(error),
            "owner": None,
            "leased_until": None,
        }
        statement = update(work).where(holds(claim)).values(values).returning(work.c.not_before)

        def fail(connection: Connection) -> datetime | None:
            write_last(connection, claim)
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
        moment = case((work.c.running, work.c.leased_until), else_=due_at())
        statement = select(func.min(moment, type_=work.c.not_before.type))
        return await self._database.run(lambda connection: connection.scalar(statement))

    async def look(self, key: WorkKey) -> ScheduledWork | None:
        """State of a key; None when it is not in the queue."""
        moment = case((work.c.running, work.c.leased_until), else_=due_at())
        statement = select(work.c.running, type_coerce(moment, Moment), work.c.attempts, work.c.error).where(
            work.c.key == str(key)
        )
        row = await self._database.run(lambda connection: connection.execute(statement).one_or_none())
        return ScheduledWork(*row) if row else None

    async def depth(self) -> QueueDepth:
        now = self._clock()
        waiting = work.c.running.is_(False)
        statement = select(
            func.count().filter(and_(waiting, due_at() <= now)),
            func.count().filter(and_(waiting, due_at() > now)),
            func.count().filter(work.c.running),
            func.min(due_at(), type_=work.c.not_before.type).filter(and_(waiting, due_at() <= now)),
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
