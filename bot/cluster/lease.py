"""The Lease in the bot's own namespace, which names the store that works."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from bot.cluster.account import own_account
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Refused
from bot.cluster.client.forbidden import lacks_right
from bot.cluster.client.kinds import LEASE
from bot.cluster.names import PREFIX, STORE_LEASE
from bot.environments.activation import LEASE_SECONDS, Holder
from bot.model.errors import Rejected, Unavailable
from bot.model.snapshot import StoreIdentity

_TOKEN = f"{PREFIX}token"
"""Annotation: the store's last fencing token, by which it recognises that it was restored from a backup."""
_ADVICE = "Apply deploy/base/rights.yaml and deploy/base/policy.yaml of this version."


class StoreLease:
    """Raises Unavailable when the API server does not answer, Rejected when a right is missing.

    As in Kubernetes' leader election, only this process's clock decides whether the Lease has expired.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._namespace = ""
        self._live: dict[str, Any] | None = None
        self._seen: tuple[tuple[str, str], float] = (("", ""), 0.0)
        """Holder and renewal of another store, and when this process first saw them."""

    async def look(self, own_id: str) -> Holder | None:
        """Who holds the Lease; None when there is none."""
        self._namespace = self._namespace or (await own_account(self._api))["namespace"]
        try:
            self._live = await self._api.find(LEASE, STORE_LEASE, self._namespace)
        except Refused as error:
            raise _advised(error) from None
        if self._live is None:
            return None
        spec = self._live.get("spec") or {}
        id, renewed = str(spec.get("holderIdentity") or ""), str(spec.get("renewTime") or "")
        token = str((self._live["metadata"].get("annotations") or {}).get(_TOKEN, ""))
        known_token = int(token) if token.isascii() and token.isdecimal() else 0
        return Holder(id, known_token, self._remaining(own_id, id, renewed))

    async def take(self, store: StoreIdentity, *, released: bool = False) -> None:
        """Writes the store into the Lease as it was looked at; Unavailable when it has changed since.

        `released`: another store can take it at once.
        """
        before = (self._live or {}).get("spec") or {}
        same = before.get("holderIdentity") == store.id
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata = {
            "name": STORE_LEASE,
            "namespace": self._namespace,
            "annotations": {_TOKEN: str(store.token)},
        }
        spec = {
            "holderIdentity": store.id,
            "leaseDurationSeconds": LEASE_SECONDS,
            "acquireTime": before.get("acquireTime") or now if same else now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (not same),
            **({} if released else {"renewTime": now}),
        }
        body = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
        try:
            if self._live is None:
                await self._api.create(LEASE, body)
            else:
                metadata["resourceVersion"] = self._live["metadata"]["resourceVersion"]
                await self._api.replace(LEASE, body)
        except Refused as error:
            if error.already_exists or error.not_found:
                raise Unavailable(str(error)) from None
            raise _advised(error) from None

    def _remaining(self, own_id: str, id: str, renewed: str) -> float:
        """Seconds until the Lease of another store expires; 0 when it is free."""
        if id in ("", own_id) or not renewed:
            return 0.0
        now = time.monotonic()
        if self._seen[0] != (id, renewed):
            self._seen = ((id, renewed), now)
        return max(self._seen[1] + LEASE_SECONDS - now, 0.0)


def _advised(error: Refused) -> Rejected:
    return Rejected(f"{error} {_ADVICE}") if lacks_right(error) else error
