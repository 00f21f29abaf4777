"""Records of environments; workers write them only while claim and generation are current."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, literal, select, update

from bot.environments.ports import Clock
from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.environment import (
    Decision,
    EndReason,
    Environment,
    EnvironmentKey,
    EnvironmentState,
    UserOverrides,
)
from bot.model.errors import Superseded
from bot.model.quota import NO_CAPS, Admission, Caps, QueuePosition
from bot.model.release import CheckedRelease
from bot.model.sleep import Sleep
from bot.model.work import Claim, WorkKey
from bot.store import quota
from bot.store.attempts import save_attempt
from bot.store.database import Database
from bot.store.documents import keeper
from bot.store.environment_queries import EnvironmentQueries
from bot.store.environment_rows import read_environment, read_row, search_text
from bot.store.journal import append_decisions
from bot.store.promotion_wakeups import wake_stage
from bot.store.records import encode
from bot.store.releases import insert_checked
from bot.store.tables import Moment, environments, work
from bot.store.work_rows import enqueue, holds

_ENDED = (EnvironmentState.GONE, EnvironmentState.REFUSED)
_SUPERSEDED = "The desired state of {} has changed, or another worker has taken over."

_FENCE_VALIDITY = timedelta(seconds=1)
"""How long a passed check of claim and generation is valid, unless work was enqueued meanwhile."""
_MAX_FENCES = 1000

FenceState = tuple[int, datetime]
"""The work signal's count of changes, and the time."""


@dataclass(frozen=True, slots=True)
class ClaimedEnvironment:
    """An environment as of its claim, which counts as a passed check."""

    environment: Environment | None
    fence_state: FenceState


class SqlEnvironmentStore(EnvironmentQueries):
    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database)
        self._clock = clock
        self._fences: dict[tuple[EnvironmentKey, int, int], FenceState] = {}
        """Key, generation and token of the last checks, with the work signal's count and the time."""

    async def claimed(self, claim: Claim) -> Environment | None:
        """The claim's environment, as read in the transaction of the claim."""
        record = claim.record
        if not isinstance(record, ClaimedEnvironment):
            return await self.get(EnvironmentKey.parse(claim.key.subject))
        environment = record.environment
        if environment is not None:
            self._remember_fence((environment.key, environment.generation, claim.token), record.fence_state)
        return environment

    def read_claimed(self, connection: Connection, subject: str) -> ClaimedEnvironment:
        """Within the transaction of the claim."""
        state = self._fence_state()
        return ClaimedEnvironment(read_environment(connection, subject), state)

    async def check(self, claim: Claim, key: EnvironmentKey, generation: int) -> None:
        """Raises Superseded unless claim and generation are current.

        Each change of desired state enqueues work, so a check or write that passed is not repeated until the
        next change in this process; a change by another replica is noticed after a second at the latest.
        No other worker gets the key before the lease of the claim ends.
        """
        fence, state = (key, generation, claim.token), self._fence_state()
        if fence in self._fences:
            changes, checked_at = self._fences[fence]
            if changes == state[0] and state[1] < min(checked_at + _FENCE_VALIDITY, claim.leased_until):
                return
        statement = select(environments.c.key).where(
            environments.c.key == str(key),
            environments.c.generation == generation,
            select(work.c.key).where(holds(claim)).exists(),
        )
        if await self._database.run(lambda connection: connection.execute(statement).one_or_none()) is None:
            raise Superseded(_SUPERSEDED.format(key))
        self._remember_fence(fence, state)

    async def save(
        self,
        claim: Claim,
        environment: Environment,
        *,
        decisions: Sequence[Decision] = (),
        release: CheckedRelease | None = None,
        failure: NamespaceDiagnostics | None = None,
        wakes_promotions: bool = False,
        caps: Caps = NO_CAPS,
        last: bool = False,
    ) -> None:
        state = self._fence_state()

        def save(connection: Connection) -> None:
            _save(connection, claim, environment, decisions, caps, state[1])
            save_attempt(connection, environment, failure, state[1])
            if release is not None:
                insert_checked(connection, release)
            if wakes_promotions:
                wake_stage(connection, environment.key, state[1])

        if last:
            claim.last_writes.append(save)
            return
        await self._database.run(save)
        self._remember_fence((environment.key, environment.generation, claim.token), state)

    async def admit(
        self, claim: Claim, environment: Environment, caps: Caps, *, decisions: Sequence[Decision] = ()
    ) -> QueuePosition | None:
        state = self._fence_state()

        def take(connection: Connection) -> QueuePosition | None:
            quota.lock_quota(connection)
            stored = quota.read_candidate(connection, environment.key)
            record = replace(environment, admission=stored.admission if stored else Admission.NONE)
            _save(connection, claim, record, decisions, caps, state[1])
            return quota.request_slot(connection, environment, caps, state[1])

        position = await self._database.run(take)
        self._remember_fence((environment.key, environment.generation, claim.token), state)
        return position

    def _fence_state(self) -> FenceState:
        """Read before a transaction, so that a change during it counts as one after it."""
        return self._database.work_signal.changes, self._clock()

    def _remember_fence(self, fence: tuple[EnvironmentKey, int, int], state: FenceState) -> None:
        if len(self._fences) >= _MAX_FENCES:
            self._fences.clear()
        self._fences[fence] = state

    async def update_overrides(
        self, key: EnvironmentKey, change: Callable[[UserOverrides], UserOverrides], reason: str, by: str
    ) -> Environment | None:
        """Changes the user overrides: a run in progress stops, and the environment is reconciled again.

        The journal records user and reason as "asked". Returns the changed record; None when there is no such
        environment.
        """
        now = self._clock()
        return await self._database.run(
            lambda connection: update_overrides(connection, key, change, reason, by, now)
        )

    async def put_to_sleep(self, environment: Environment, sleep: Sleep) -> bool:
        """Stops the workloads of a preview, unless its desired state has changed since it was read.

        The reconcile records the reason.
        """
        now = self._clock()

        def put(connection: Connection) -> bool:
            current = _lock(connection, environment.key)
            if current is None or current.generation != environment.generation:
                return False
            _write_overrides(connection, current, replace(current.overrides, sleep=sleep), now)
            return True

        return await self._database.run(put)

    async def wake(self, key: EnvironmentKey, reason: str, by: str = "") -> bool:
        """Starts the workloads of a sleeping preview again. False for a preview that is not asleep."""
        now = self._clock()
        return await self._database.run(lambda connection: wake(connection, key, reason, by, now))


def update_overrides(
    connection: Connection,
    key: EnvironmentKey,
    change: Callable[[UserOverrides], UserOverrides],
    reason: str,
    by: str,
    now: datetime,
) -> Environment | None:
    """Within a transaction."""
    before = _lock(connection, key)
    if before is None:
        return None
    append_decisions(connection, [Decision(key, now, "asked", reason, by)])
    return _write_overrides(connection, before, change(before.overrides), now)


def _lock(connection: Connection, key: EnvironmentKey) -> Environment | None:
    """The record, whose row is locked until the end of the transaction."""
    statement = select(environments).where(environments.c.key == str(key)).with_for_update()
    row = connection.execute(statement).one_or_none()
    return read_row(connection, row) if row is not None else None


def _write_overrides(
    connection: Connection, before: Environment, overrides: UserOverrides, now: datetime
) -> Environment:
    """Raises the generation and enqueues the environment, whose row is locked."""
    after = replace(before, overrides=overrides, generation=before.generation + 1)
    connection.execute(
        update(environments)
        .where(environments.c.key == str(before.key))
        .values(overrides=encode(overrides, keeper(connection)), generation=after.generation, desired_at=now)
    )
    enqueue(connection, [WorkKey.environment(before.key), WorkKey.snapshot(before.key)], now)
    return after


def wake(connection: Connection, key: EnvironmentKey, reason: str, by: str, now: datetime) -> bool:
    """Within a transaction: starts the workloads again. False for a preview that is not asleep."""
    environment = _lock(connection, key)
    if environment is None or environment.overrides.sleep is None or environment.status.end is not None:
        return False
    update_overrides(connection, key, lambda overrides: replace(overrides, sleep=None), reason, by, now)
    return True


def _save(
    connection: Connection,
    claim: Claim,
    environment: Environment,
    made: Sequence[Decision],
    caps: Caps,
    now: datetime,
) -> None:
    status = environment.status
    left = None
    if environment.admission is Admission.NONE:
        left = quota.read_candidate(connection, environment.key)
    if left is not None:
        quota.lock_quota(connection)
    values: dict[str, Any] = {
        "observed_generation": environment.observed_generation,
        "cluster": environment.cluster,
        "state": status.state,
        "admission": environment.admission,
        "commit": status.commit,
        "expires_at": status.expires_at,
        "status": encode(status),
        "progress": encode(environment.attempt, keeper(connection)),
        "receipt": environment.receipt,
        "updated_at": now,
    }
    if status.state in (*_ENDED, EnvironmentState.ASLEEP):
        values["asked_at"] = None
    pull = environment.attempt.pull_request
    if pull is not None:
        values["author"] = pull.author
        values["search_text"] = search_text(environment.key, environment.repository, pull)
    if pull is not None and environment.observed_generation == environment.generation:
        # What GitHub returned replaces the hint: a late delivery may have named an older head.
        same = environments.c.hinted_head == pull.head_sha
        since = case((same, environments.c.head_since), else_=literal(now, Moment))
        values |= {"hinted_head": pull.head_sha, "hinted_open": pull.open, "head_since": since}
    if status.end is EndReason.REMOVED:
        values["hinted_open"] = False  # so that housekeeping deletes it
    # The environment first, then the key: recording a delivery locks them in the same order.
    statement = (
        update(environments)
        .where(
            environments.c.key == str(environment.key), environments.c.generation == environment.generation
        )
        .values(values)
    )
    written = connection.execute(statement).rowcount == 1
    held = select(work.c.key).where(holds(claim)).with_for_update()
    if not written or connection.execute(held).one_or_none() is None:
        raise Superseded(_SUPERSEDED.format(environment.key))
    append_decisions(connection, made)
    if left is not None:
        quota.wake_affected(connection, left, caps, now)
