"""Rows of stages and promotions: how records are stored and read, within a transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select, update

from bot.model.environment import Decision, EnvironmentKey, EnvironmentKind, UserOverrides
from bot.model.naming import namespace_name
from bot.model.promotion import ACTIVE, ENDED, Promotion, StageRecord
from bot.model.repository import Repository
from bot.model.work import Claim, WorkKey
from bot.promotions.stage_aggregate import StageAggregate
from bot.store import audit, journal
from bot.store.database import insert
from bot.store.documents import keeper, resolver
from bot.store.environment_rows import new_row
from bot.store.promotion_wakeups import open_promotions
from bot.store.records import decoder, encode
from bot.store.releases import insert_release, update_release
from bot.store.rollout_orders import has_orders
from bot.store.tables import environments, promotions, stages
from bot.store.work_rows import enqueue

_read_promotion = decoder(Promotion)
_read_stage = decoder(StageRecord)
_read_overrides = decoder(UserOverrides)

PROMOTIONS = select(promotions.c.record)
STAGES = select(stages.c.record)


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
    return query_stages(connection, STAGES.where(stages.c.key.in_(keys)))


def unfinished_promotions(connection: Connection, stage: EnvironmentKey) -> list[Promotion]:
    """Within a transaction: the stage's promotions that have not ended, oldest first."""
    own_stage = PROMOTIONS.where(promotions.c.stage == str(stage)).order_by(promotions.c.requested_at)
    return query_promotions(connection, own_stage.where(promotions.c.ended.is_(False)))


def lock_stage(connection: Connection, stage: EnvironmentKey, repository: Repository) -> StageRecord:
    """The stage's record, created when missing and locked until the transaction ends."""
    new = StageRecord(stage, repository)
    row = {"key": str(stage), "repository_id": repository.id, **_columns(connection, new)}
    connection.execute(insert(connection, stages).values(row).on_conflict_do_nothing())
    statement = STAGES.where(stages.c.key == str(stage)).with_for_update()
    [record] = query_stages(connection, statement)
    # The repository may have been renamed since.
    return replace(record, repository=repository)


def load_aggregate(connection: Connection, record: StageRecord, promotion_id: str | None) -> StageAggregate:
    ids = {promotion_id or "", *(entry.promotion for entry in record.verified)}
    unfinished = unfinished_promotions(connection, record.key)
    of_stage = PROMOTIONS.where(promotions.c.stage == str(record.key))
    named = query_promotions(connection, of_stage.where(promotions.c.id.in_(ids)))
    own = {promotion.id: promotion for promotion in (*named, *unfinished)}
    others = query_stages(
        connection,
        STAGES.where(stages.c.repository_id == record.repository.id, stages.c.key != str(record.key)),
    )
    siblings = {stage.name: stage for stage in others if stage.key.kind is EnvironmentKind.STAGE}
    return StageAggregate(record, own, siblings)


def write_changes(
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
    if connection.scalar(own_environment) is not None:
        # The namespace of a new environment is created with a snapshot.
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
