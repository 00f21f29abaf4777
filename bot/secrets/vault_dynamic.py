"""Credentials that HashiCorp Vault or OpenBao issues for one environment, such as those of a database."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.model.errors import Rejected
from bot.model.repository import Repository
from bot.model.secret import DynamicReference, Lease
from bot.secrets.json_values import is_text
from bot.secrets.provider_file import Grants, may_read
from bot.secrets.vault_client import VaultClient, VaultRefused

_PATH = re.compile(r"([A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*/creds/[A-Za-z0-9._-]+)#([A-Za-z0-9._-]+)")

_LONGEST_SECONDS = 10 * 365 * 86400


class VaultCredentials:
    """`vault-dynamic:MOUNT/creds/ROLE#FIELD` names a field of credentials.

    The client's token is periodic: credentials end with the token that issued them.
    """

    def __init__(self, client: VaultClient, grants: Grants, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._grants = grants
        self._clock = clock

    def resolve(self, path: str, repository: Repository) -> DynamicReference:
        match = _PATH.fullmatch(path)
        if match is None or {".", ".."} & set(path.split("/")):
            raise Rejected("the reference after `vault-dynamic:` must be MOUNT/creds/ROLE#FIELD")
        role, field = match.groups()
        if not may_read(self._grants, role, repository):
            raise Rejected(f"the operator's grants do not include {role} for {repository.full_name}")
        return DynamicReference(role, field)

    async def issue(self, path: str) -> Lease:
        try:
            answer = await self._client.exchange("GET", path)
        except VaultRefused as error:
            raise Rejected(
                f"Vault issues no credentials at {path} (status {error.status}): "
                f"`vault read {path}` shows why"
            ) from None
        data, seconds = (answer or {}).get("data"), _seconds(answer)
        if answer is None or not answer.get("lease_id") or not isinstance(data, dict) or not seconds:
            raise Rejected(f"Vault issues no credentials at {path}: is it `creds/ROLE` of a database engine?")
        now, duration = self._clock(), timedelta(seconds=seconds)
        values = {name: str(value) for name, value in data.items() if is_text(value)}
        return Lease(str(answer["lease_id"]), path, now, now + duration, duration, values)

    async def renew(self, lease: Lease) -> timedelta:
        body = {"lease_id": lease.id, "increment": int(lease.duration.total_seconds())}
        try:
            answer = await self._client.exchange("POST", "sys/leases/renew", body)
        except VaultRefused:
            return timedelta()  # it was revoked, or ended
        return timedelta(seconds=_seconds(answer))

    async def revoke(self, lease: Lease) -> None:
        await self._client.exchange("POST", "sys/leases/revoke", {"lease_id": lease.id, "sync": True})


def _seconds(answer: Mapping[str, Any] | None) -> int:
    """How long the credentials of an answer are valid; 0 for an unusable answer."""
    seconds = (answer or {}).get("lease_duration")
    return seconds if isinstance(seconds, int) and 0 < seconds <= _LONGEST_SECONDS else 0
