"""All tables. Payloads and secrets have no column here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    and_,
    literal_column,
)

from bot.model.environment import EnvironmentState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


class Moment(TypeDecorator[datetime]):
    """Whole microseconds since 1970 in UTC: exact, and the same on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else moment(value)


metadata = MetaData()

deliveries = Table(
    "deliveries",
    metadata,
    Column("guid", Text, primary_key=True),
    Column("event", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("repository_id", BigInteger),
    Column("repository", Text, nullable=False),
    Column("received_at", Moment, nullable=False),
    sqlite_with_rowid=False,  # one tree to write to, not a table and its index
)

repositories = Table(
    "repositories",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("installation_id", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Texts that records refer to by their SHA-256."""

environments = Table(
    "environments",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("installation_id", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("cluster", Text, nullable=False),  # "" until one is chosen
    Column("generation", BigInteger, nullable=False),
    Column("observed_generation", BigInteger, nullable=False),
    Column("hinted_head", Text),  # the newest head in a hint
    Column("head_since", Moment),  # when it was first seen as the head
    Column("hinted_open", Boolean),
    Column("desired_at", Moment, nullable=False),  # last change of the desired state
    Column("author", Text, nullable=False),  # of the pull request
    Column("search_text", Text, nullable=False, server_default=""),  # in lower case
    Column("state", Text, nullable=False),
    Column("admission", Text, nullable=False),
    Column("asked_at", Moment),  # first request for a slot
    Column("commit", Text),
    Column("expires_at", Moment),
    Column("status", Text, nullable=False),
    Column("progress", Text, nullable=False),
    Column("overrides", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)
Index("environments_by_repository", environments.c.repository_id, environments.c.state)
Index("environments_by_change", environments.c.updated_at)
Index("environments_by_admission", environments.c.admission)
Index("environments_by_state", environments.c.state, environments.c.expires_at)
_pinned = environments.c.kind != literal_column("'preview'")
Index("environments_pinned", environments.c.kind, sqlite_where=_pinned, postgresql_where=_pinned)
_open = environments.c.hinted_open.is_(True)
Index("environments_open", environments.c.repository_id, sqlite_where=_open, postgresql_where=_open)
_deleted = and_(environments.c.state == literal_column("'gone'"), environments.c.hinted_open.is_(False))
Index(
    "environments_deleted",
    environments.c.state,
    environments.c.updated_at,
    sqlite_where=_deleted,
    postgresql_where=_deleted,
)

removals = Table(
    "removals",
    metadata,
    Column("installation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("repository_id", BigInteger, primary_key=True, autoincrement=False),  # 0: all of the installation
    Column("why", Text, nullable=False),
    Column("noted_at", Moment, nullable=False),
)
"""Notices from signed deliveries that the App has lost repositories; evidence once confirmed."""

work = Table(
    "work",
    metadata,
    Column("key", Text, primary_key=True),
    Column("running", Boolean, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("settling_since", Moment),  # first of several changes in quick succession
    Column("settled_at", Moment),  # not due before
    Column("again_at", Moment),  # enqueued while running: run once more, at this time
    Column("attempts", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("owner", Text),
    Column("leased_until", Moment),
    Column("error", Text, nullable=False),
    sqlite_with_rowid=False,  # as above
)
Index("work_by_due", work.c.running, work.c.not_before)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)
"""One row: the last fencing token; it only grows."""

identity = Table(
    "identity",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("complete_since", Moment, nullable=False),
)
"""One row: which store this is, and since when it has missed nothing."""

commands = Table(
    "commands",
    metadata,
    Column("comment_id", BigInteger, primary_key=True, autoincrement=False),  # negative: from a page
    Column("repository_id", BigInteger, nullable=False),
    Column("installation_id", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),  # of the comment as it was delivered; its text is not kept
    Column("head", Text),  # the pull request's head when the comment was delivered
    Column("head_since", Moment),
    Column("received_at", Moment, nullable=False),
    Column("outcome", Text),  # decided in one transaction with its effect
    Column("answer", Text),  # "" while it is being written, then its GitHub id
    Column("finished", Boolean, nullable=False),
    Column("by_id", BigInteger),  # these four only for a command from a page
    Column("by_login", Text),
    Column("text", Text),
    Column("shown_at", Moment),
)
Index("commands_by_pull_request", commands.c.repository_id, commands.c.number)

decisions = Table(
    "decisions",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("environment", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("what", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
)
Index("decisions_by_environment", decisions.c.environment, decisions.c.id)
Index("decisions_by_time", decisions.c.at)

attempts = Table(
    "attempts",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("started_at", Moment, primary_key=True, autoincrement=False),
    Column("updated_at", Moment, nullable=False),
    Column("status", Text, nullable=False),
    Column("failure", Text),  # events and logs, for some time
)
Index("attempts_by_time", attempts.c.updated_at)

releases = Table(
    "releases",
    metadata,
    Column("id", Text, primary_key=True),
    Column("repository_id", BigInteger, nullable=False),
    Column("commit", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("checks", Text),  # results of its preview's checks; NULL for a release that no preview ran
)
Index("releases_by_commit", releases.c.repository_id, releases.c.commit)
Index("releases_by_repository", releases.c.repository_id, releases.c.made_at)
Index("releases_by_time", releases.c.made_at)

stages = Table(
    "stages",
    metadata,
    Column("key", Text, primary_key=True),
    Column("repository_id", BigInteger, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("locked_until", Moment),
    Column("record", Text, nullable=False),
)
Index("stages_by_repository", stages.c.repository_id)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("number", BigInteger),
    Column("release", Text),
    Column("state", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("moving", Boolean, nullable=False),
    Column("record", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("requested_at", Moment, nullable=False),
)
Index("promotions_by_repository", promotions.c.repository_id, promotions.c.requested_at)
Index("promotions_by_state", promotions.c.state, promotions.c.since)
Index("promotions_by_stage", promotions.c.stage, promotions.c.requested_at)
_unfinished: Any = {
    "sqlite_where": promotions.c.ended.is_(False),
    "postgresql_where": promotions.c.ended.is_(False),
}
Index("promotions_open", promotions.c.repository_id, promotions.c.requested_at, **_unfinished)
Index("promotions_open_of_stage", promotions.c.stage, promotions.c.requested_at, **_unfinished)
Index(
    "promotions_moving",
    promotions.c.stage,
    unique=True,
    sqlite_where=promotions.c.moving,
    postgresql_where=promotions.c.moving,
)
"""At most one active promotion per stage, enforced by the database."""

drifts = Table(
    "drifts",
    metadata,
    Column("key", Text, primary_key=True),  # of the stage or demo
    Column("repository_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("checked_at", Moment),
    Column("record", Text, nullable=False),
)
Index("drifts_by_repository", drifts.c.repository_id)

usages = Table(
    "usages",
    metadata,
    Column("key", Text, primary_key=True),  # of the environment
    Column("record", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What each environment has requested so far, and when it was used."""

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("stage", Text, nullable=False),
    Column("promotion", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("token", Text, nullable=False),  # of the comment or call behind it
)
Index("audit_by_repository", audit.c.repository_id, audit.c.id)
Index("audit_by_stage", audit.c.repository_id, audit.c.stage, audit.c.id)
_asked = audit.c.token != literal_column("''")
Index("audit_by_token", audit.c.token, sqlite_where=_asked, postgresql_where=_asked)


NOT_DELETED = frozenset(EnvironmentState) - {EnvironmentState.GONE}
"""Conditions list these states: an index cannot find all rows that do not have a value."""


def storable(text: str, limit: int = 4000) -> str:
    """The text as both databases accept it: without NUL and lone surrogates, cut to `limit` characters."""
    return text[:limit].replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
