"""Rows of environments: how a record is stored and read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from bot.model.environment import (
    Attempt,
    Environment,
    EnvironmentKey,
    EnvironmentState,
    Status,
    UserOverrides,
)
from bot.model.naming import environment_name
from bot.model.pull_request import PullRequest
from bot.model.quota import Admission
from bot.model.repository import Repository
from bot.store.documents import resolver
from bot.store.records import decoder, encode
from bot.store.tables import environments, storable

_read_status = decoder(Status)
_read_attempt = decoder(Attempt)
read_overrides = decoder(UserOverrides)


def read_environment(connection: Connection, key: str) -> Environment | None:
    row = connection.execute(select(environments).where(environments.c.key == key)).one_or_none()
    return read_row(connection, row) if row else None


def read_row(connection: Connection, row: Row[Any]) -> Environment:
    resolve = resolver(connection)
    return Environment(
        key=EnvironmentKey.parse(row.key),
        repository=Repository(row.repository_id, row.installation_id, row.owner, row.repository),
        namespace=row.namespace,
        generation=row.generation,
        observed_generation=row.observed_generation,
        status=_read_status(row.status),
        attempt=_read_attempt(row.progress, resolve),
        overrides=read_overrides(row.overrides, resolve),
        receipt=row.receipt,
        created_at=row.created_at,
        updated_at=row.updated_at,
        admission=Admission(row.admission),
        requested_at=row.asked_at,
        cluster=row.cluster,
    )


def search_text(key: EnvironmentKey, repository: Repository, pull: PullRequest | None) -> str:
    """The text, in lower case, in which a search finds the environment."""
    words = (pull.title, pull.head_ref, pull.author) if pull is not None else ()
    return storable(" ".join((environment_name(key, repository), *words)).lower())


def new_row(key: EnvironmentKey, repository: Repository, namespace: str, now: datetime) -> Mapping[str, Any]:
    """The row of an environment that has not been reconciled yet."""
    return {
        "key": str(key),
        "kind": key.kind,
        "repository_id": repository.id,
        "installation_id": repository.installation_id,
        "owner": repository.owner,
        "repository": repository.name,
        "namespace": namespace,
        "cluster": "",
        "generation": 1,
        "observed_generation": 0,
        "hinted_head": None,
        "head_since": None,
        "hinted_open": None,
        "desired_at": now,
        "author": "",
        "search_text": search_text(key, repository, None),
        "state": EnvironmentState.PENDING,
        "admission": Admission.NONE,
        "status": encode(Status(EnvironmentState.PENDING)),
        "progress": encode(Attempt()),
        "overrides": encode(UserOverrides()),
        "receipt": "",
        "created_at": now,
        "updated_at": now,
    }
