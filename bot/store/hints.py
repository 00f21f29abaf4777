"""Applies hints to environments: creates rows, raises generations, enqueues work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bot.model.delivery import PullRequestHint
from bot.model.environment import EnvironmentKey
from bot.model.naming import namespace_name
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.store.bulk import BulkStatement
from bot.store.database import insert
from bot.store.environment_rows import new_row
from bot.store.tables import environments, microseconds
from bot.store.work_rows import enqueue

_QUICK_SUCCESSION = 2_000_000
"""Microseconds; the queue delays work on environments whose desired state changes faster than this."""


@dataclass(frozen=True, slots=True)
class MergedHint:
    """Hints on one environment merged: the last value wins; conflicting hints count as a change."""

    name: str
    """The environment's key as text."""
    repository: Repository
    number: int
    head: str | None
    open: bool | None
    unsure: bool
    """The hints conflict, or something else may have changed."""

    @property
    def key(self) -> EnvironmentKey:
        return EnvironmentKey.preview(self.repository.id, self.number)

    @property
    def work(self) -> WorkKey:
        return WorkKey("environment", self.name)


def merge_hints(hints: Iterable[PullRequestHint]) -> list[MergedHint]:
    """One entry per environment, sorted by key: all replicas lock rows in that order."""
    merged: dict[str, MergedHint] = {}
    for hint in hints:
        name = str(EnvironmentKey.preview(hint.repository.id, hint.number))
        unsure = hint.head_sha is None or hint.open is None
        new = MergedHint(name, hint.repository, hint.number, hint.head_sha, hint.open, unsure)
        old = merged.get(new.name)
        if old is not None:
            differs = (old.head, old.open) != (new.head, new.open)
            head = old.head if new.head is None else new.head
            is_open = old.open if new.open is None else new.open
            new = replace(new, head=head, open=is_open, unsure=old.unsure or unsure or differs)
        merged[new.name] = new
    return [merged[key] for key in sorted(merged)]


def apply_hints(connection: Connection, hints: Sequence[PullRequestHint], now: datetime) -> None:
    """Within a transaction. A pull request without a record gets one unless it is closed."""
    gathered = merge_hints(hints)
    if not gathered:
        return
    stored = _read_states(connection, gathered)
    missing = [hint for hint in gathered if hint.name not in stored and hint.open is not False]
    if missing:
        created = _insert(connection, missing, now)
        late = [hint for hint in missing if hint.name not in created]
        if late:  # another replica created them between the two statements
            stored |= _read_states(connection, late)
    existing = [(hint, stored[hint.name]) for hint in gathered if hint.name in stored]
    hurried = _update(connection, existing, microseconds(now))
    changed = [*missing, *(hint for hint, _ in existing)]
    enqueue(connection, [hint.work for hint in changed], now, hurried)


@dataclass(frozen=True, slots=True)
class StoredState:
    """An environment's row before the hints."""

    key: str
    installation_id: int
    head: str | None
    open: bool | None
    desired_at: int
    """Time in microseconds."""
    reading: bool
    """A worker is reading GitHub for the newest generation."""

    def differs(self, hint: MergedHint) -> bool:
        """Whether the desired state may have changed.

        While a worker reads GitHub, repeated hints count too: the response may be older than the hint and
        would replace it.
        """
        return hint.unsure or self.reading or (hint.head, hint.open) != (self.head, self.open)


def _read_states(connection: Connection, hints: Sequence[MergedHint]) -> dict[str, StoredState]:
    rows = _READ_STATES.run(connection, [(hint.name,) for hint in hints])
    return {
        row[0]: StoredState(
            row[0], row[1], row[2], None if row[3] is None else bool(row[3]), row[4], bool(row[5])
        )
        for row in rows
    }


_READ_STATES = BulkStatement(
    """
    SELECT key, installation_id, hinted_head, hinted_open, desired_at,
        observed_generation < generation AND EXISTS (
            SELECT 1 FROM work WHERE work.running AND work.key = 'environment:' || environments.key)
    FROM environments WHERE key IN (SELECT rows.key FROM {rows}) ORDER BY key {lock}
    """,
    {"key": "text"},
)


def _insert(connection: Connection, hints: Sequence[MergedHint], now: datetime) -> set[str]:
    statement = insert(connection, environments).on_conflict_do_nothing().returning(environments.c.key)
    rows = [_new_row(hint, now) for hint in hints]
    return set(connection.scalars(statement, rows))


def _new_row(hint: MergedHint, now: datetime) -> Mapping[str, Any]:
    row = new_row(hint.key, hint.repository, namespace_name(hint.key, hint.repository), now)
    return {
        **row,
        "hinted_head": hint.head,
        "head_since": now if hint.head else None,
        "hinted_open": hint.open,
    }


def _update(
    connection: Connection, existing: Sequence[tuple[MergedHint, StoredState]], now: int
) -> list[WorkKey]:
    """Returns the keys whose desired state changed twice in quick succession."""
    rows = []
    hurried = []
    for hint, stored in existing:
        changed = stored.differs(hint)
        if changed and now - stored.desired_at < _QUICK_SUCCESSION:
            hurried.append(hint.work)
        rows.append(
            (
                stored.key,
                int(changed),
                hint.repository.installation_id,
                hint.repository.owner,
                hint.repository.name,
                stored.head if hint.head is None else hint.head,
                None if hint.head in (None, stored.head) else now,
                stored.open if hint.open is None else hint.open,
                now if changed else stored.desired_at,
            )
        )
    _UPDATE.run(connection, rows)
    return hurried


_UPDATE = BulkStatement(
    """
    UPDATE environments SET
        generation = environments.generation + rows.raised,
        installation_id = rows.installation_id,
        owner = rows.owner,
        repository = rows.repository,
        hinted_head = rows.head,
        head_since = coalesce(rows.head_since, environments.head_since),
        hinted_open = rows.open,
        desired_at = rows.desired_at
    FROM {rows} WHERE environments.key = rows.key
    """,
    {
        "key": "text",
        "raised": "bigint",
        "installation_id": "bigint",
        "owner": "text",
        "repository": "text",
        "head": "text",
        "head_since": "bigint",
        "open": "boolean",
        "desired_at": "bigint",
    },
)
