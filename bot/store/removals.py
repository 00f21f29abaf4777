"""Repositories that the App has lost, according to signed deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from bot.model.delivery import RemovalNotice, RepositoryRemoved
from bot.model.repository import Repository
from bot.store.database import insert
from bot.store.tables import environments, removals

_ALL = 0
"""No repository has this id."""


def record(connection: Connection, notices: Sequence[RepositoryRemoved], now: datetime) -> None:
    """Within a transaction; a repeated notice keeps the time of the first."""
    rows = [
        {
            "installation_id": notice.installation_id,
            "repository_id": notice.repository_id or _ALL,
            "why": notice.reason,
            "noted_at": now,
        }
        for notice in notices
    ]
    if rows:
        connection.execute(insert(connection, removals).on_conflict_do_nothing(), rows)


def revoke(connection: Connection, repositories: Sequence[Repository]) -> None:
    """Deletes notices: a later delivery names the repository as part of the installation."""
    for repository in repositories:
        connection.execute(delete(removals).where(_applies_to(repository)))


def find_notice(connection: Connection, repository: Repository, before: datetime) -> RemovalNotice | None:
    """The notice of a repository from before the given time."""
    columns = (removals.c.why, removals.c.noted_at)
    statement = select(*columns).where(_applies_to(repository), removals.c.noted_at < before)
    row = connection.execute(statement.order_by(removals.c.repository_id.desc()).limit(1)).one_or_none()
    return RemovalNotice(row.why, row.noted_at) if row is not None else None


def removed_before(before: datetime) -> ColumnElement[bool]:
    """Condition for environments of repositories that were lost before the given time."""
    notices = select(removals.c.why).where(
        removals.c.installation_id == environments.c.installation_id,
        removals.c.repository_id.in_((_ALL, environments.c.repository_id)),
        removals.c.noted_at < before,
    )
    return notices.exists()


def purge(connection: Connection, before: datetime) -> None:
    connection.execute(delete(removals).where(removals.c.noted_at < before))


def _applies_to(repository: Repository) -> ColumnElement[bool]:
    return and_(
        removals.c.installation_id == repository.installation_id,
        or_(removals.c.repository_id == repository.id, removals.c.repository_id == _ALL),
    )
