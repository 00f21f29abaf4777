"""Promotable releases: written once, read by id or commit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, Select, delete, literal_column, select, update

from bot.model.environment import UserOverrides
from bot.model.promotion import Promotion, StageRecord
from bot.model.release import CheckedRelease, PromotableRelease
from bot.store.database import Database, insert
from bot.store.documents import resolver
from bot.store.records import decoder, encode
from bot.store.tables import NOT_DELETED, environments, promotions, releases, stages

_NAMED = 10
_read = decoder(PromotableRelease)
_read_stage = decoder(StageRecord)
_read_promotion = decoder(Promotion)
_read_overrides = decoder(UserOverrides)


class SqlReleaseStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, release: PromotableRelease) -> None:
        """Stores a release; one that is stored already stays unchanged."""
        await self._database.run(lambda connection: insert_release(connection, release))

    async def get(self, repository_id: int, id: str) -> PromotableRelease | None:
        statement = select(releases.c.body).where(
            releases.c.id == id, releases.c.repository_id == repository_id
        )
        return await self._database.run(lambda connection: _read_one(connection, statement))

    async def of_commit(self, repository_id: int, commit: str) -> PromotableRelease | None:
        """The newest release of the commit: each configuration of a commit is a release of its own."""
        return await self._database.run(lambda connection: newest_release(connection, repository_id, commit))

    async def named(self, repository_id: int, commit_prefix: str) -> Sequence[str]:
        """Ids of releases whose commit begins with these hexadecimal digits, the newest first."""
        statement = (
            select(releases.c.id)
            .where(
                releases.c.repository_id == repository_id,
                releases.c.commit >= commit_prefix,
                releases.c.commit < f"{commit_prefix}g",
            )
            .order_by(releases.c.made_at.desc(), releases.c.id)
            .limit(_NAMED)
        )
        return await self._database.run(lambda connection: list(connection.scalars(statement)))

    async def checks(self, repository_id: int, id: str) -> Mapping[str, bool] | None:
        """Name of each check of the release's preview to whether it passed; None if no preview ran it."""
        statement = select(releases.c.checks).where(
            releases.c.id == id, releases.c.repository_id == repository_id
        )
        text = await self._database.run(lambda connection: connection.scalar(statement))
        return json.loads(text) if text is not None else None

    async def newest(self, repository_id: int, limit: int = 20) -> list[PromotableRelease]:
        statement = (
            select(releases.c.body)
            .where(releases.c.repository_id == repository_id)
            .order_by(releases.c.made_at.desc(), releases.c.id)
            .limit(limit)
        )
        bodies = await self._database.run(lambda connection: list(connection.scalars(statement)))
        return [_read(body) for body in bodies]

    async def purge(self, before: datetime, most: int) -> int:
        """Deletes at most `most` releases made before that nothing refers to, oldest first.

        Kept are releases that a stage or demo runs or can roll back to, those of open promotions and of
        pull requests with an open preview.
        """

        def drop(connection: Connection) -> int:
            kept = _referred_to(connection)
            statement = select(releases.c.id, releases.c.commit).where(releases.c.made_at < before)
            rows = connection.execute(statement.order_by(releases.c.made_at, releases.c.id))
            old = list(islice((id for id, commit in rows if not kept & {id, commit}), most))
            return connection.execute(delete(releases).where(releases.c.id.in_(old))).rowcount

        return await self._database.run(drop)


def newest_release(connection: Connection, repository_id: int, commit: str) -> PromotableRelease | None:
    """Within a transaction: the newest release of the commit."""
    statement = (
        select(releases.c.body)
        .where(releases.c.repository_id == repository_id, releases.c.commit == commit)
        .order_by(releases.c.made_at.desc(), releases.c.id)
        .limit(1)
    )
    return _read_one(connection, statement)


def _read_one(connection: Connection, statement: Select[str]) -> PromotableRelease | None:
    body = connection.scalar(statement)
    return _read(body) if body is not None else None


def insert_checked(connection: Connection, checked: CheckedRelease) -> None:
    """Within a transaction: the release, and the latest results of its preview's checks."""
    insert_release(connection, checked.release)
    checks = json.dumps(dict(checked.checks))
    connection.execute(update(releases).where(releases.c.id == checked.release.id).values(checks=checks))


def insert_release(connection: Connection, release: PromotableRelease) -> None:
    """Within a transaction; a release that is stored already stays unchanged."""
    row = {
        "id": release.id,
        "repository_id": release.repository_id,
        "commit": release.commit,
        "body": encode(release),
        "made_at": release.made_at,
    }
    connection.execute(insert(connection, releases).values(row).on_conflict_do_nothing())


def update_release(connection: Connection, release: PromotableRelease) -> None:
    """Within a transaction: adds what was read about a stored release later, such as the commit's tree."""
    connection.execute(update(releases).where(releases.c.id == release.id).values(body=encode(release)))


def _referred_to(connection: Connection) -> set[str]:
    """Ids and commits that stages, pinned environments, open promotions and open previews refer to."""
    resolve = resolver(connection)
    references: set[str] = set()
    for record in connection.scalars(select(stages.c.record)).all():
        verified = _read_stage(record, resolve).verified
        references |= {verification.target.release.id for verification in verified}
    pinned = select(environments.c.overrides).where(environments.c.kind != literal_column("'preview'"))
    targets = [_read_overrides(text, resolve).target for text in connection.scalars(pinned).all()]
    under_way = select(promotions.c.record).where(promotions.c.ended.is_(False))
    for text in connection.scalars(under_way).all():
        promotion = _read_promotion(text, resolve)
        targets.append(promotion.rollback_target)
        references |= {promotion.release.id} if promotion.release is not None else set()
        references |= {
            name
            for name in (promotion.requested_release, promotion.commit, promotion.head)
            if name is not None
        }
    references |= {target.release.id for target in targets if target is not None}
    return references | _commits_of_previews(connection)


def _commits_of_previews(connection: Connection) -> set[str]:
    """Commits of previews that exist or whose pull request is open: these can still be promoted."""
    columns = select(environments.c.commit, environments.c.hinted_head)
    existing = columns.where(environments.c.state.in_(NOT_DELETED))
    open_ones = columns.where(environments.c.hinted_open.is_(True))
    rows = connection.execute(existing.union_all(open_ones))
    return {commit for row in rows for commit in row if commit is not None}
