"""Makes the store of this process the active one: two stores never work at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from bot.model.errors import StoreUnavailable, Unavailable
from bot.model.snapshot import StoreIdentity

log = structlog.get_logger()

LEASE_SECONDS = 15
"""How long after its last renewal another store counts as active."""
_RENEW_SECONDS = 5.0
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Holder:
    """The store that a Lease names."""

    id: str
    token: int
    """Its last fencing token at the last renewal."""
    seconds: float
    """Until the Lease expires; 0 for the own store, and when it has expired."""


class Lease(Protocol):
    """Calls raise Unavailable when the API server does not answer, Rejected when a right is missing."""

    async def look(self, own_id: str) -> Holder | None:
        """Who holds the Lease; None when there is none."""

    async def take(self, store: StoreIdentity, *, released: bool = False) -> None:
        """Writes the store into the Lease as it was looked at; Unavailable when it has changed since."""


class IdentityStore(Protocol):
    async def read(self) -> StoreIdentity: ...

    async def restored(self, token: int) -> datetime:
        """Records that others may have worked since, with tokens up to `token`; returns the current time."""


class StoreInactive(StoreUnavailable):
    """Another store is active in the cluster."""


class Activation:
    """`adopt` compares the namespaces of the cluster with the store, before any work starts.

    In a cluster other than the default one, a missing Lease shows only that the cluster is new.
    """

    def __init__(
        self,
        lease: Lease,
        identity: IdentityStore,
        adopt: Callable[[], Awaitable[None]],
        *,
        is_default: bool = True,
    ) -> None:
        self._is_default = is_default
        self._lease = lease
        self._identity = identity
        self._adopt = adopt
        self.active = False
        self.problem = "The store is not active yet."
        """One sentence for operators while it is not active."""

    async def start(self) -> bool:
        """Whether the store is active now. Raises what the Lease's client and the adoption raise."""
        store = await self._identity.read()
        holder = await self._lease.look(store.id)
        if holder is not None and holder.seconds:
            problem = waiting(holder)
            if problem != self.problem:
                log.warning("store not active", reason=problem)
            self.problem = problem
            return False
        is_known = self._is_default or holder is not None
        if is_known and not continues(store, holder):
            await self._identity.restored(holder.token if holder is not None else 0)
        await self._lease.take(await self._identity.read())
        await self._adopt()
        self.active = True
        log.info("store active", store=store.id)
        return True

    async def run(self, started: Callable[[], None]) -> None:
        """Starts the store and renews its Lease; returns when another store has taken it."""
        is_late = False
        while True:
            try:
                await asyncio.sleep(_RENEW_SECONDS if self.active else _RETRY_SECONDS)
                if not self.active:
                    if await self.start():
                        started()
                elif not await self._renew():
                    return
                is_late = False
            except Unavailable as error:
                if not is_late:  # once for each outage
                    log.warning("store lease not renewed", reason=str(error))
                is_late = True

    async def release(self) -> None:
        """Lets another store work at once; for a store that no other process uses."""
        store = await self._identity.read()
        holder = await self._lease.look(store.id)
        if self.active and holder is not None and holder.id == store.id:
            await self._lease.take(store, released=True)

    def require(self) -> None:
        if not self.active:
            raise StoreInactive(self.problem)

    async def _renew(self) -> bool:
        """While the API server does not answer, no other store can take the Lease there."""
        store = await self._identity.read()
        holder = await self._lease.look(store.id)
        if holder is not None and holder.id not in ("", store.id):
            self.active, self.problem = False, waiting(holder)
            log.critical("stopping, another store is active", store=store.id, other=holder.id)
            return False
        await self._lease.take(store)
        return True


def continues(store: StoreIdentity, holder: Holder | None) -> bool:
    """Whether no other store worked since, and the store was not restored from a backup. Pure."""
    return holder is not None and holder.id == store.id and holder.token <= store.token


def waiting(holder: Holder) -> str:
    return (
        f"Another store ({holder.id}) is active in this cluster. This one takes over when the other has not "
        f"renewed its Lease for {LEASE_SECONDS} s: stop the bot that uses the other store."
    )
