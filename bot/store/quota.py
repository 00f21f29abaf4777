"""Slots on the cluster, granted one at a time. There is no counter: rows show who has one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select, text, update

from bot.model.environment import Environment, EnvironmentKey
from bot.model.quota import Admission, Candidate, Caps, QueuePosition, affected_by, queue_position
from bot.model.work import WorkKey
from bot.store.tables import environments
from bot.store.work_rows import enqueue

USAGE_SWEEP = "usage"
_LOCK = 0x67726E7071  # any number that no other program uses


def request_slot(
    connection: Connection, environment: Environment, caps: Caps, now: datetime
) -> QueuePosition | None:
    """Within a transaction that holds the claim. None when the environment has a slot."""
    candidates = read_candidates(connection)
    key = str(environment.key)
    own = next((candidate for candidate in candidates if candidate.key == key), None)
    was_queued, overtakes = own is not None, False
    if own is None:
        own = _new_candidate(connection, environment, now)
        overtakes = any(candidate.requested_at > own.requested_at for candidate in candidates)
        candidates.append(own)
    if own.admission is Admission.ADMITTED:
        return None
    waits = queue_position(key, candidates, caps)
    admission = Admission.ADMITTED if waits is None else Admission.QUEUED
    statement = update(environments).where(environments.c.key == key)
    connection.execute(statement.values(admission=admission, asked_at=own.requested_at, author=own.author))
    if waits is not None and caps.makes_room:
        enqueue(connection, [WorkKey("sweep", USAGE_SWEEP)], now)  # an idle preview may leave its slot
    if overtakes or (waits is None and was_queued):
        wake_affected(connection, own, caps, now)
    return waits


def lock_quota(connection: Connection) -> None:
    """Serializes changes of slots until the transaction ends; SQLite serializes all transactions."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def wake_affected(connection: Connection, changed: Candidate, caps: Caps, now: datetime) -> None:
    """Enqueues the queued previews that can start, or whose shown position may have changed."""
    candidates = read_candidates(connection)
    keys = [EnvironmentKey.parse(key) for key in affected_by(changed, candidates, caps) if key != changed.key]
    enqueue(connection, map(WorkKey.environment, keys), now)


def read_candidate(connection: Connection, key: EnvironmentKey) -> Candidate | None:
    """None when it has no slot and waits for none."""
    rows = connection.execute(_CANDIDATES.where(environments.c.key == str(key)))
    return next(map(_candidate, rows), None)


def read_candidates(connection: Connection) -> list[Candidate]:
    return [_candidate(row) for row in connection.execute(_CANDIDATES)]


_CANDIDATES: Select[Any] = select(
    environments.c.key,
    environments.c.repository_id,
    environments.c.author,
    environments.c.asked_at,
    environments.c.admission,
).where(environments.c.admission.in_((Admission.QUEUED, Admission.ADMITTED)))


def _candidate(row: Row[Any]) -> Candidate:
    return Candidate(row.key, row.repository_id, row.author, row.asked_at, Admission(row.admission))


def _new_candidate(connection: Connection, environment: Environment, now: datetime) -> Candidate:
    """A candidate that keeps its earlier position, if a push made it leave the queue."""
    key = str(environment.key)
    statement = select(environments.c.author, environments.c.asked_at).where(environments.c.key == key)
    row = connection.execute(statement).one()
    pull = environment.attempt.pull_request  # newer than the stored record
    author = pull.author if pull is not None else row.author
    return Candidate(key, environment.key.repository_id, author, row.asked_at or now, Admission.QUEUED)
