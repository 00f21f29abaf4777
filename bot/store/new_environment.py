"""The row of an environment of which nothing is known yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.model.environment import Attempt, EnvironmentKey, EnvironmentState, Status, UserOverrides
from bot.model.quota import Admission
from bot.model.repository import Repository
from bot.store.records import encode

_STATUS = encode(Status(EnvironmentState.PENDING))
_ATTEMPT = encode(Attempt())
_OVERRIDES = encode(UserOverrides())


def new_row(key: EnvironmentKey, repository: Repository, namespace: str, now: datetime) -> Mapping[str, Any]:
    return {
        "key": str(key),
        "repository_id": repository.id,
        "installation_id": repository.installation_id,
        "owner": repository.owner,
        "repository": repository.name,
        "namespace": namespace,
        "generation": 1,
        "observed_generation": 0,
        "hinted_head": None,
        "head_since": None,
        "hinted_open": None,
        "desired_at": now,
        "author": "",
        "state": EnvironmentState.PENDING,
        "admission": Admission.NONE,
        "status": _STATUS,
        "attempt": _ATTEMPT,
        "wishes": _OVERRIDES,
        "receipt": "",
        "created_at": now,
        "updated_at": now,
    }
