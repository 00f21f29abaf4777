"""Stages and their promotions; each change of a stage is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from bot.environments.ports import Clock
from bot.model.environment import EnvironmentKey
from bot.model.promotion import AuditEntry, Promotion, StageRecord
from bot.model.repository import Repository
from bot.model.work import Claim
from bot.promotions.ports import LoadedPromotion
from bot.promotions.stage_aggregate import StageAggregate
from bot.store import audit
from bot.store.database import Database
from bot.store.documents import resolver
from bot.store.environment_rows import read_environment
from bot.store.promotion_wakeups import wake_pending
from bot.store.records import decoder
from bot.store.releases import newest_release
from bot.store.stage_rows import (
    PROMOTIONS,
    STAGES,
    load_aggregate,
    lock_stage,
    query_promotions,
    query_stages,
    write_changes,
)
from bot.store.tables import promotions, stages
from bot.store.work_rows import require_claim

_read_promotion = decoder(Promotion)

Change = Callable[[StageAggregate], StageAggregate]

_CHECK_VALIDITY = timedelta(seconds=5)
"""How long a passed check of a claim is valid: a third of the lease, for clocks of replicas that differ."""
_MAX_CHECKS = 1000


@dataclass(frozen=True, slots=True)
class ClaimedPromotion:
    """A promotion as of its claim, which counts as a passed check."""

    loaded: LoadedPromotion | None
    read_at: datetime


class SqlPromotionStore:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._checks: dict[Claim, datetime] = {}
        """When each claim was last known to be current."""

    async def change(
        self,
        stage: EnvironmentKey,
        repository: Repository,
        change: Change,
        *,
        promotion_id: str | None = None,
        claim: Claim | None = None,
        token: str = "",
    ) -> StageAggregate:
        """Changes a stage aggregate in one transaction and enqueues the work that follows.

        `change` is pure and may be called again; an exception from it rolls everything back. The aggregate
        holds the promotions that have not ended, those that verified a release, and `promotion_id`. With a
        claim, raises Superseded when the claim is lost. A change with a token is applied once.
        """
        now = self._clock()

        def transaction(connection: Connection) -> StageAggregate:
            record = lock_stage(connection, stage, repository)
            if claim is not None:
                require_claim(connection, claim)
            before = load_aggregate(connection, record, promotion_id)
            if token and audit.carried_out(connection, repository.id, token, stage.name) is not None:
                return before
            after = change(before)
            if after == before:
                return after
            return after.with_stage(write_changes(connection, before, after, now, claim, token))

        aggregate = await self._database.run(transaction)
        if claim is not None:
            self._remember_check(claim, now)
        return aggregate

    async def get(self, id: str) -> Promotion | None:
        matches = await self._database.run(
            lambda connection: query_promotions(connection, PROMOTIONS.where(promotions.c.id == id))
        )
        return matches[0] if matches else None

    async def claimed(self, claim: Claim) -> LoadedPromotion | None:
        """The claim's promotion, as read in the transaction of the claim."""
        record = claim.record
        if not isinstance(record, ClaimedPromotion):
            return await self._database.run(lambda connection: _load_promotion(connection, claim.key.subject))
        self._remember_check(claim, record.read_at)
        return record.loaded

    def read_claimed(self, connection: Connection, id: str) -> ClaimedPromotion:
        """Within the transaction of the claim."""
        return ClaimedPromotion(_load_promotion(connection, id), self._clock())

    async def vouch(self, repository: Repository, commit: str, by: str, token: str) -> None:
        """Records that the user vouches for a commit, and wakes the promotions that wait for their gates."""
        now = self._clock()
        entry = AuditEntry(now, repository.id, "", "", by, audit.VOUCHED, after=commit)

        def transaction(connection: Connection) -> None:
            if audit.carried_out(connection, repository.id, token) is None:
                audit.append_entries(connection, [entry], token)
                wake_pending(connection, repository.id, now)

        await self._database.run(transaction)

    async def vouchers(self, repository_id: int, commit: str) -> list[str]:
        """Users who vouched for the commit."""
        return await self._database.run(lambda connection: audit.vouchers(connection, repository_id, commit))

    async def carried_out(self, repository_id: int, token: str) -> str | None:
        """Which promotion a comment or call was about ("" for none), if it was executed already."""
        return await self._database.run(
            lambda connection: audit.carried_out(connection, repository_id, token)
        )

    async def find(
        self,
        repository_id: int | None = None,
        *,
        stage: EnvironmentKey | None = None,
        number: int | None = None,
        ended: bool | None = None,
        limit: int = 50,
    ) -> list[Promotion]:
        """Promotions that match every given condition, newest first."""
        statement = PROMOTIONS.order_by(promotions.c.requested_at.desc(), promotions.c.id)
        if repository_id is not None:
            statement = statement.where(promotions.c.repository_id == repository_id)
        if stage is not None:
            statement = statement.where(promotions.c.stage == str(stage))
        if number is not None:
            statement = statement.where(promotions.c.number == number)
        if ended is not None:
            statement = statement.where(promotions.c.ended.is_(ended))
        limited = statement.limit(limit)
        return await self._database.run(lambda connection: query_promotions(connection, limited))

    async def stages(self, repository_id: int | None = None) -> list[StageRecord]:
        statement = STAGES.order_by(stages.c.key)
        if repository_id is not None:
            statement = statement.where(stages.c.repository_id == repository_id)
        return await self._database.run(lambda connection: query_stages(connection, statement))

    async def check(self, claim: Claim) -> None:
        """Raises Superseded unless the claim is current.

        A check or write that passed is not repeated for some seconds: no other worker gets the key before
        the lease of the claim ends.
        """
        now, checked_at = self._clock(), self._checks.get(claim)
        if checked_at is not None and now < min(checked_at + _CHECK_VALIDITY, claim.leased_until):
            return
        await self._database.run(lambda connection: require_claim(connection, claim))
        self._remember_check(claim, now)

    async def save_receipt(self, claim: Claim, id: str, receipt: str, *, last: bool = False) -> None:
        now = self._clock()

        def transaction(connection: Connection) -> None:
            require_claim(connection, claim)
            connection.execute(update(promotions).where(promotions.c.id == id).values(receipt=receipt))

        if last:
            claim.last_writes.append(transaction)
            return
        await self._database.run(transaction)
        self._remember_check(claim, now)

    def _remember_check(self, claim: Claim, at: datetime) -> None:
        if len(self._checks) >= _MAX_CHECKS:
            self._checks.clear()
        self._checks[claim] = at


def _load_promotion(connection: Connection, id: str) -> LoadedPromotion | None:
    statement = select(promotions.c.record, promotions.c.receipt, promotions.c.stage).where(
        promotions.c.id == id
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    promotion = _read_promotion(row.record, resolver(connection))
    seen = None
    if promotion.release is None and promotion.head is not None:
        seen = newest_release(connection, promotion.repository.id, promotion.head)
    return LoadedPromotion(promotion, row.receipt or "", read_environment(connection, row.stage), seen)
