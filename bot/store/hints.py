"""What hints do to environments: rows appear, generations rise, work is asked for."""

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
from bot.store.new_environment import new_row
from bot.store.queue import enqueue
from bot.store.tables import environments, microseconds

_QUICK_SUCCESSION = 2_000_000
"""Microseconds: Changes of desire closer than this are gathered before the environment is worked on again."""


@dataclass(frozen=True, slots=True)
class MergedHint:
    """All hints on one environment that came together: the last word counts, and contradiction is change."""

    name: str
    """The environment's key as the tables have it."""
    repository: Repository
    number: int
    head: str | None
    open: bool | None
    unsure: bool
    """Something may have changed that the hints do not tell, or they differ among themselves."""

    @property
    def key(self) -> EnvironmentKey:
        return EnvironmentKey.preview(self.repository.id, self.number)

    @property
    def work(self) -> WorkKey:
        return WorkKey("environment", self.name)


def merge_hints(hints: Iterable[PullRequestHint]) -> list[MergedHint]:
    """One entry per environment, in the order of their keys (all replicas lock rows in that order)."""
    found: dict[str, MergedHint] = {}
    for hint in hints:
        name = str(EnvironmentKey.preview(hint.repository.id, hint.number))
        unsure = hint.head_sha is None or hint.open is None
        new = MergedHint(name, hint.repository, hint.number, hint.head_sha, hint.open, unsure)
        old = found.get(new.name)
        if old is not None:
            differs = (old.head, old.open) != (new.head, new.open)
            head = old.head if new.head is None else new.head
            is_open = old.open if new.open is None else new.open
            new = replace(new, head=head, open=is_open, unsure=old.unsure or unsure or differs)
        found[new.name] = new
    return [found[key] for key in sorted(found)]


def apply_hints(connection: Connection, hints: Sequence[PullRequestHint], now: datetime) -> None:
    """Within a transaction. A row is not made for a pull request that was never seen and is closed."""
    gathered = merge_hints(hints)
    if not gathered:
        return
    known = _read_states(connection, gathered)
    missing = [hint for hint in gathered if hint.name not in known and hint.open is not False]
    if missing:
        made = _insert(connection, missing, now)
        late = [hint for hint in missing if hint.name not in made]
        if late:  # another replica made them between the two statements
            known |= _read_states(connection, late)
    existing = [(hint, known[hint.name]) for hint in gathered if hint.name in known]
    hurried = _update(connection, existing, microseconds(now))
    asked = [*missing, *(hint for hint, _ in existing)]
    enqueue(connection, [hint.work for hint in asked], now, hurried)


@dataclass(frozen=True, slots=True)
class StoredState:
    """What the store knows of an environment before the hints."""

    key: str
    installation_id: int
    head: str | None
    open: bool | None
    desired_at: int
    """In microseconds."""
    reading: bool
    """A worker is about to read GitHub for the newest generation."""

    def differs(self, hint: MergedHint) -> bool:
        """Whether the desire may have changed.

        While GitHub is read, a hint that repeats another one counts too: the answer may be older than the
        hint, and would replace it.
        """
        return hint.unsure or self.reading or (hint.head, hint.open) != (self.head, self.open)


def _read_states(connection: Connection, hints: Sequence[MergedHint]) -> dict[str, StoredState]:
    found = _READ_STATES.run(connection, [(hint.name,) for hint in hints])
    return {
        row[0]: StoredState(
            row[0], row[1], row[2], None if row[3] is None else bool(row[3]), row[4], bool(row[5])
        )
        for row in found
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
    """Gives the keys whose desire changed shortly after it had changed before."""
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
