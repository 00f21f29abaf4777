"""What hints do to environments: rows appear, generations rise, work is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, select, update

from bot.model.delivery import Hint
from bot.model.environment import Attempt, EnvironmentKey, EnvironmentState, Status
from bot.model.naming import namespace_name
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.store.dialect import insert
from bot.store.queue import Settling, enqueue
from bot.store.tables import environments

QUICK_SUCCESSION = timedelta(seconds=2)
"""Changes of desire closer than this are gathered before the environment is worked on again."""

_STATUS = msgspec.json.encode(Status(EnvironmentState.PENDING)).decode()
_ATTEMPT = msgspec.json.encode(Attempt()).decode()


@dataclass(frozen=True, slots=True)
class Gathered:
    """All hints on one environment that came together: the last word counts, and contradiction is change."""

    key: EnvironmentKey
    repository: Repository
    head: str | None
    open: bool | None
    unsure: bool
    """Something may have changed that the hints do not tell, or they differ among themselves."""


def gather(hints: Iterable[Hint]) -> list[Gathered]:
    """One entry per environment, in the order of their keys (all replicas lock rows in that order)."""
    found: dict[str, Gathered] = {}
    for hint in hints:
        key = EnvironmentKey.preview(hint.repository.id, hint.number)
        unsure = hint.head_sha is None or hint.open is None
        new = Gathered(key, hint.repository, hint.head_sha, hint.open, unsure)
        old = found.get(str(key))
        if old is not None:
            differs = (old.head, old.open) != (new.head, new.open)
            head = old.head if new.head is None else new.head
            is_open = old.open if new.open is None else new.open
            new = replace(new, head=head, open=is_open, unsure=old.unsure or unsure or differs)
        found[str(key)] = new
    return [found[key] for key in sorted(found)]


def changes(known_head: str | None, known_open: bool | None, hint: Gathered) -> bool:
    """Whether the desire may have changed from what is known."""
    return hint.unsure or hint.head != known_head or hint.open != known_open


def absorb(connection: Connection, hints: Sequence[Hint], now: datetime) -> None:
    """Within a transaction. A row is not made for a pull request that was never seen and is closed."""
    gathered = gather(hints)
    if not gathered:
        return
    known = _known(connection, gathered)
    missing = [hint for hint in gathered if str(hint.key) not in known and hint.open is not False]
    if missing:
        made = _insert(connection, missing, now)
        late = [hint for hint in missing if str(hint.key) not in made]
        if late:  # another replica made them between the two statements
            known |= _known(connection, late)
    existing = [(hint, known[str(hint.key)]) for hint in gathered if str(hint.key) in known]
    _update(connection, existing, now)
    _ask(connection, missing, existing, now)


def _ask(
    connection: Connection,
    made: Sequence[Gathered],
    existing: Sequence[tuple[Gathered, Row[Any]]],
    now: datetime,
) -> None:
    hurried = {
        hint.key
        for hint, row in existing
        if changes(row.hinted_head, row.hinted_open, hint) and now - row.desired_at < QUICK_SUCCESSION
    }
    calm = {hint.key for hint in made} | {hint.key for hint, _ in existing}
    enqueue(connection, map(WorkKey.environment, calm - hurried), now)
    enqueue(connection, map(WorkKey.environment, hurried), now, Settling())


def _known(connection: Connection, hints: Sequence[Gathered]) -> dict[str, Row[*tuple[Any, ...]]]:
    wanted = [str(hint.key) for hint in hints]
    columns = (
        environments.c.key,
        environments.c.installation_id,
        environments.c.hinted_head,
        environments.c.hinted_open,
        environments.c.desired_at,
    )
    statement = (
        select(*columns).where(environments.c.key.in_(wanted)).order_by(environments.c.key).with_for_update()
    )
    return {row.key: row for row in connection.execute(statement)}


def _insert(connection: Connection, hints: Sequence[Gathered], now: datetime) -> set[str]:
    statement = insert(connection, environments).on_conflict_do_nothing().returning(environments.c.key)
    rows = [_blank(hint, now) for hint in hints]
    return set(connection.scalars(statement, rows))


def _blank(hint: Gathered, now: datetime) -> Mapping[str, Any]:
    return {
        "key": str(hint.key),
        "repository_id": hint.repository.id,
        "installation_id": hint.repository.installation_id,
        "owner": hint.repository.owner,
        "repository": hint.repository.name,
        "namespace": namespace_name(hint.key, hint.repository),
        "generation": 1,
        "observed_generation": 0,
        "hinted_head": hint.head,
        "hinted_open": hint.open,
        "desired_at": now,
        "state": EnvironmentState.PENDING,
        "status": _STATUS,
        "attempt": _ATTEMPT,
        "receipt": "",
        "created_at": now,
        "updated_at": now,
    }


_CHANGE = (
    update(environments)
    .where(environments.c.key == bindparam("of"))
    .values(
        generation=environments.c.generation + bindparam("raised"),
        installation_id=bindparam("installation"),
        owner=bindparam("to_owner"),
        repository=bindparam("to_repository"),
        hinted_head=bindparam("head"),
        hinted_open=bindparam("open"),
        desired_at=bindparam("at"),
    )
)


def _update(connection: Connection, existing: Sequence[tuple[Gathered, Row[Any]]], now: datetime) -> None:
    rows = []
    for hint, row in existing:
        changed = changes(row.hinted_head, row.hinted_open, hint)
        rows.append(
            {
                "of": row.key,
                "raised": int(changed),
                "installation": hint.repository.installation_id or row.installation_id,
                "to_owner": hint.repository.owner,
                "to_repository": hint.repository.name,
                "head": row.hinted_head if hint.head is None else hint.head,
                "open": row.hinted_open if hint.open is None else hint.open,
                "at": now if changed else row.desired_at,
            }
        )
    if rows:
        connection.execute(_CHANGE, rows)
