"""Secrets in the namespace of an environment: what controllers made, and issued credentials."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import SECRET
from bot.cluster.made_secrets import is_made
from bot.cluster.names import LEASES, PREFIX
from bot.cluster.secrets import own_secret, read_secret
from bot.environments.ports import Fence
from bot.model.environment import EnvironmentKey
from bot.model.repository import Repository
from bot.model.secret import Lease

_LEASES = f"{PREFIX}leases"
"""Annotation with everything about the leases except for the values, which are the Secret's data."""


class KubernetesSecretObjects:
    """Raises Unavailable when the API server does not answer, Rejected when it refuses."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    async def made(self, namespace: str) -> Mapping[str, Mapping[str, str]]:
        """The values of Secrets that belong to an ExternalSecret or a SealedSecret, by name."""
        listed = await self._api.list(SECRET, namespace)
        return {secret["metadata"]["name"]: _texts(secret) for secret in listed.items if is_made(secret)}

    async def leases(self, namespace: str) -> Sequence[Lease]:
        secret = await read_secret(self._api, namespace, LEASES) or {}
        entries = ((secret.get("metadata") or {}).get("annotations") or {}).get(_LEASES)
        texts = _texts(secret)
        return [_lease(entry, json.loads(texts[entry["key"]])) for entry in json.loads(entries or "[]")]

    async def keep_leases(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        leases: Sequence[Lease],
        fence: Fence,
    ) -> None:
        secret = own_secret(LEASES, namespace, environment, repository)
        entries = [_entry(f"lease-{number}", lease) for number, lease in enumerate(leases)]
        secret["metadata"]["annotations"][_LEASES] = json.dumps(entries)
        data = {
            entry["key"]: base64.b64encode(json.dumps(dict(lease.values)).encode()).decode()
            for entry, lease in zip(entries, leases, strict=True)
        }
        await fence()
        await self._api.apply({**secret, "type": "Opaque", "data": data})


def _entry(key: str, lease: Lease) -> dict[str, Any]:
    return {
        "key": key,
        "id": lease.id,
        "path": lease.path,
        "issued": lease.issued_at.isoformat(),
        "expires": lease.expires_at.isoformat(),
        "seconds": lease.duration.total_seconds(),
        "replaced": lease.replaced,
    }


def _lease(entry: Mapping[str, Any], values: Mapping[str, str]) -> Lease:
    return Lease(
        id=entry["id"],
        path=entry["path"],
        issued_at=datetime.fromisoformat(entry["issued"]),
        expires_at=datetime.fromisoformat(entry["expires"]),
        duration=timedelta(seconds=entry["seconds"]),
        values=values,
        replaced=entry["replaced"],
    )


def _texts(secret: Mapping[str, Any]) -> dict[str, str]:
    """The values of a Secret that are text."""
    texts: dict[str, str] = {}
    for name, encoded in (secret.get("data") or {}).items():
        try:
            texts[name] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue  # a binary value does not appear in a text
    return texts
