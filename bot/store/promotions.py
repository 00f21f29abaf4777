"""Stages and their promotions; each change of a stage is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, select, update

from bot.environments.ports import Clock
from bot.model.environment import Decision, EnvironmentKey, EnvironmentKind, UserOverrides
from bot.model.naming import namespace_name
from bot.model.promotion import ACTIVE, ENDED, AuditEntry, Promotion, StageRecord
from bot.model.repository import Repository
from bot.model.work import Claim, WorkKey
from bot.promotions.ports import LoadedPromotion
from bot.promotions.stage_aggregate import StageAggregate
from bot.store import audit, journal
from bot.store.database import Database, insert
from bot.store.documents import keeper, resolver
from bot.store.environment_rows import new_row, read_environment
from bot.store.promotion_wakeups import open_promotions, wake_pending
from bot.store.records import decoder, encode
from bot.store.releases import insert_release, newest_release, update_release
from bot.store.rollout_orders import has_orders
from bot.store.tables import environments, promotions, stages
from bot.store.work_rows import enqueue, require_claim

_read_promotion = decoder(Promotion)
_read_stage = decoder(StageRecord)
_read_overrides = decoder(UserOverrides)

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
            record = _lock(connection, stage, repository)
            if claim is not None:
                require_claim(connection, claim)
            before = _load_aggregate(connection, record, promotion_id)
            if token and audit.carried_out(connection, repository.id, token, stage.name) is not None:
                return before
            after = change(before)
            if after == before:
                return after
            return after.with_stage(_write(connection, before, after, now, claim, token))

        aggregate = await self._database.run(transaction)
        if claim is not None:
            self._remember_check(claim, now)
        return aggregate

    async def get(self, id: str) -> Promotion | None:
        matches = await self._database.run(
            lambda connection: query_promotions(connection, _PROMOTIONS.where(promotions.c.id == id))
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
        statement = _PROMOTIONS.order_by(promotions.c.requested_at.desc(), promotions.c.id)
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
        statement = _STAGES.order_by(stages.c.key)
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


_PROMOTIONS = select(promotions.c.record)
_STAGES = select(stages.c.record)


def query_promotions(connection: Connection, statement: Select[str]) -> list[Promotion]:
    """Within a transaction: the promotions whose records a statement selects."""
    records, resolve = connection.scalars(statement), resolver(connection)
    return [_read_promotion(record, resolve) for record in records.all()]


def query_stages(connection: Connection, statement: Select[str]) -> list[StageRecord]:
    """Within a transaction: the stages whose records a statement selects."""
    records, resolve = connection.scalars(statement), resolver(connection)
    return [_read_stage(record, resolve) for record in records.all()]


def read_stages(connection: Connection, keys: Collection[str]) -> list[StageRecord]:
    """Within a transaction."""
    return query_stages(connection, _STAGES.where(stages.c.key.in_(keys)))


def unfinished_promotions(connection: Connection, stage: EnvironmentKey) -> list[Promotion]:
    """Within a transaction: the stage's promotions that have not ended, oldest first."""
    own_stage = _PROMOTIONS.where(promotions.c.stage == str(stage)).order_by(promotions.c.requested_at)
    return query_promotions(connection, own_stage.where(promotions.c.ended.is_(False)))


def _lock(connection: Connection, stage: EnvironmentKey, repository: Repository) -> StageRecord:
    """The stage's record, created when missing and locked until the transaction ends."""
    new = StageRecord(stage, repository)
    row = {"key": str(stage), "repository_id": repository.id, **_columns(connection, new)}
    connection.execute(insert(connection, stages).values(row).on_conflict_do_nothing())
    statement = _STAGES.where(stages.c.key == str(stage)).with_for_update()
    [record] = query_stages(connection, statement)
    # The repository may have been renamed since.
    return replace(record, repository=repository)


def _load_aggregate(connection: Connection, record: StageRecord, promotion_id: str | None) -> StageAggregate:
    ids = {promotion_id or "", *(entry.promotion for entry in record.verified)}
    unfinished = unfinished_promotions(connection, record.key)
    of_stage = _PROMOTIONS.where(promotions.c.stage == str(record.key))
    named = query_promotions(connection, of_stage.where(promotions.c.id.in_(ids)))
    own = {promotion.id: promotion for promotion in (*named, *unfinished)}
    others = query_stages(
        connection,
        _STAGES.where(stages.c.repository_id == record.repository.id, stages.c.key != str(record.key)),
    )
    siblings = {stage.name: stage for stage in others if stage.key.kind is EnvironmentKind.STAGE}
    return StageAggregate(record, own, siblings)


def _write(
    connection: Connection,
    before: StageAggregate,
    after: StageAggregate,
    now: datetime,
    claim: Claim | None,
    token: str,
) -> StageRecord:
    """Returns the stage as it is stored, with its new revision."""
    changed = [item for item in after.promotions.values() if item != before.promotions.get(item.id)]
    stage = replace(after.stage, revision=max(before.stage.revision, after.stage.revision) + 1)
    # Promotions that release the stage come first: the unique index allows one active promotion.
    for promotion in sorted(changed, key=lambda item: item.state in ACTIVE):
        _upsert(connection, promotion)
        release, earlier = promotion.release, before.promotions.get(promotion.id)
        if release is not None and (earlier is None or earlier.release != release):
            insert_release(connection, release)
            update_release(connection, release)
    if after.stage.verified != before.stage.verified:
        for entry in after.stage.verified:
            insert_release(connection, entry.target.release)
    own = stages.c.key == str(stage.key)
    connection.execute(update(stages).where(own).values(_columns(connection, stage)))
    audit.append_entries(connection, after.audit, token)
    keys = {WorkKey.promotion(promotion.id) for promotion in changed}
    own_environment = select(environments.c.key).where(environments.c.key == str(stage.key))
    if (
        connection.scalar(own_environment) is not None
    ):  # the namespace of a new one is created with a snapshot
        keys.add(WorkKey.snapshot(stage.key))
    if after.stage.target != before.stage.target:
        _set_target(connection, after.stage, now)
        keys.add(WorkKey.environment(after.stage.key))
    if after.stage != before.stage:
        keys |= {WorkKey.promotion(id) for id in open_promotions(connection, after.stage.key)}
    if any(has_orders(before.promotions.get(item.id), item) for item in changed):
        keys.add(WorkKey.environment(after.stage.key))
    freed = after.stage != before.stage or any(promotion.state in ENDED for promotion in changed)
    if after.stage.key.kind is EnvironmentKind.DEMO and freed:
        # A pin of the default branch may be possible now.
        keys.add(WorkKey.pipeline(after.stage.repository.id))
    enqueue(connection, keys - ({claim.key} if claim is not None else set()), now)
    return stage


def _columns(connection: Connection, stage: StageRecord) -> Mapping[str, Any]:
    return {
        "held": stage.hold is not None,
        "locked_until": stage.lock.until if stage.lock is not None else None,
        "record": encode(stage, keeper(connection)),
    }


def _upsert(connection: Connection, promotion: Promotion) -> None:
    values: Mapping[str, Any] = {
        "number": promotion.number,
        "release": promotion.release.id if promotion.release is not None else None,
        "state": promotion.state,
        "since": promotion.since,
        "ended": promotion.state in ENDED,
        "moving": promotion.state in ACTIVE,
        "record": encode(promotion, keeper(connection)),
    }
    row = {
        "id": promotion.id,
        "stage": str(promotion.stage),
        "repository_id": promotion.repository.id,
        "receipt": "",
        "requested_at": promotion.requested_at,
        **values,
    }
    statement = insert(connection, promotions).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=[promotions.c.id], set_=values))


def _set_target(connection: Connection, stage: StageRecord, now: datetime) -> None:
    """Changes the desired target of the stage's environment, in the same transaction."""
    key, repository, target = stage.key, stage.repository, stage.target
    namespace = stage.namespace or namespace_name(key, repository)
    row = new_row(key, repository, namespace, now)
    connection.execute(insert(connection, environments).values(row).on_conflict_do_nothing())
    columns = select(environments.c.overrides, environments.c.cluster)
    stored = connection.execute(columns.where(environments.c.key == str(key)).with_for_update()).one()
    overrides = _read_overrides(stored.overrides, resolver(connection))
    connection.execute(
        update(environments)
        .where(environments.c.key == str(key))
        .values(
            generation=environments.c.generation + 1,
            desired_at=now,
            namespace=namespace,
            cluster=(target.cluster if target is not None else "") or stored.cluster,
            installation_id=repository.installation_id,
            owner=repository.owner,
            repository=repository.name,
            overrides=encode(replace(overrides, target=target), keeper(connection)),
        )
    )
    reason = f"deploy release {target.release.id}" if target is not None else "delete the deployment"
    journal.append_decisions(connection, [Decision(key, now, "asked", reason)])
