"""Places on the cluster, given out one at a time. The records tell who has one; there is no counter."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, text, update

from bot.model.environment import Environment, EnvironmentKey
from bot.model.quota import Admission, Candidate, Caps, QueuePosition, queue_position
from bot.model.work import WorkKey
from bot.store.queue import enqueue
from bot.store.tables import environments

_LOCK = 0x67726E7071  # any number that nobody else takes


def request_slot(
    connection: Connection, environment: Environment, caps: Caps, now: datetime
) -> QueuePosition | None:
    """Within a transaction that holds the claim. None: it has a place from now on."""
    candidates = _candidates(connection)
    key = str(environment.key)
    mine = next((each for each in candidates if each.key == key), None)
    overtakes = False
    if mine is None:
        mine = _new_candidate(connection, environment, now)
        overtakes = any(each.requested_at > mine.requested_at for each in candidates)
        candidates.append(mine)
    if mine.admission is Admission.ADMITTED:
        return None
    waits = queue_position(key, candidates, caps)
    admission = Admission.ADMITTED if waits is None else Admission.QUEUED
    statement = update(environments).where(environments.c.key == key)
    connection.execute(statement.values(admission=admission, asked_at=mine.requested_at))
    if overtakes or (waits is None and environment.admission is Admission.QUEUED):
        wake_queue(connection, now)
    return waits


def lock_quota(connection: Connection) -> None:
    """Until the transaction ends nobody else takes or leaves a place; on SQLite that is always so."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def has_slot(connection: Connection, key: EnvironmentKey) -> bool:
    """Whether it has a place on the cluster, or one in the queue."""
    statement = select(environments.c.admission).where(environments.c.key == str(key))
    return connection.scalar(statement) not in (None, Admission.NONE)


def wake_queue(connection: Connection, now: datetime) -> None:
    """The first may start, and the others have moved up."""
    queued = select(environments.c.key).where(environments.c.admission == Admission.QUEUED)
    keys = [EnvironmentKey.parse(key) for key in connection.scalars(queued)]
    enqueue(connection, map(WorkKey.environment, keys), now)


def _candidates(connection: Connection) -> list[Candidate]:
    columns = (
        environments.c.key,
        environments.c.repository_id,
        environments.c.author,
        environments.c.asked_at,
        environments.c.admission,
    )
    rows = connection.execute(select(*columns).where(environments.c.admission != Admission.NONE))
    return [
        Candidate(row.key, row.repository_id, row.author, row.asked_at, Admission(row.admission))
        for row in rows
    ]


def _new_candidate(connection: Connection, environment: Environment, now: datetime) -> Candidate:
    """One that had to leave the queue for a push comes back to where it was."""
    key = str(environment.key)
    statement = select(environments.c.author, environments.c.asked_at).where(environments.c.key == key)
    row = connection.execute(statement).one()
    return Candidate(key, environment.key.repository_id, row.author, row.asked_at or now, Admission.QUEUED)
