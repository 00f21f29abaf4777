"""Runs the work queue: claims keys, hands each to the handler of its kind, keeps the leases alive."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog

from bot.model.errors import GreenroomError, Superseded, Unavailable
from bot.model.work import Claim

log = structlog.get_logger()

Handler = Callable[[Claim], Awaitable[datetime | None]]
"""Does the work of one key; returns when to run it again unless it is woken before."""

Observer = Callable[[str, str, float], None]
"""Told of each run: kind, outcome (settled, again, superseded, failed), seconds."""

_LEASE_SECONDS = 15
"""How long the work of a replica that was killed rests, where nobody knows that it was."""
_HEARTBEAT_SECONDS = 4
_LONGEST_NAP_SECONDS = 5.0
"""Bounds how late an expired lease or a lost notification is noticed."""


class Queue(Protocol):
    async def claim(self, owner: str, limit: int, lease_seconds: float) -> Sequence[Claim]: ...

    async def heartbeat(self, claims: Sequence[Claim], lease_seconds: float) -> Sequence[Claim]:
        """Extends the leases; returns the claims that were lost."""

    async def finish(self, claim: Claim, again_at: datetime | None) -> bool:
        """False when the claim was lost: somebody else ends it."""

    async def fail(self, claim: Claim, error: str, at: datetime | None) -> bool:
        """Puts the key back with backoff, or at `at`; False when the claim was lost."""

    async def wait_for_work(self, seconds: float) -> None:
        """Returns when a key may be due, at the latest after `seconds`."""


class Worker:
    """Any number of them, in any number of processes, may share one queue."""

    def __init__(
        self, queue: Queue, handlers: Mapping[str, Handler], concurrency: int, observe: Observer
    ) -> None:
        self._queue = queue
        self._handlers = handlers
        self._concurrency = concurrency
        self._observe = observe
        self._owner = f"{socket.gethostname()}/{secrets.token_hex(4)}"
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._loops = [asyncio.create_task(self._claim_forever()), asyncio.create_task(self._beat_forever())]

    async def drain(self, seconds: float) -> None:
        """Takes no new work and lets running work end; what has not ended by then is handed back."""
        for loop in self._loops[:1]:
            loop.cancel()
        if self._running:
            await asyncio.wait(list(self._running), timeout=seconds)
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(list(self._running), timeout=5)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _claim_forever(self) -> None:
        while True:
            try:
                free = self._concurrency - len(self._running)
                claims = await self._queue.claim(self._owner, free, _LEASE_SECONDS) if free else []
                for claim in claims:
                    task = asyncio.create_task(self._run(claim), name=str(claim.key))
                    self._running[task] = claim
                    task.add_done_callback(lambda done: self._running.pop(done, None))
                if len(self._running) >= self._concurrency:
                    await asyncio.wait(list(self._running), return_when=asyncio.FIRST_COMPLETED)
                elif len(claims) < free:
                    await self._queue.wait_for_work(_LONGEST_NAP_SECONDS)
            except Exception as error:  # the store may be away for a while; nothing is lost meanwhile
                log.error("the work queue cannot be read", error=str(error))
                await asyncio.sleep(1)

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            claims = list(self._running.values())
            try:
                lost = (
                    {claim.key for claim in await self._queue.heartbeat(claims, _LEASE_SECONDS)}
                    if claims
                    else set()
                )
            except Exception as error:
                log.error("leases could not be extended", error=str(error))
                continue
            for task, claim in list(self._running.items()):
                if claim.key in lost:
                    task.cancel()

    async def _run(self, claim: Claim) -> None:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(work=str(claim.key))
        started = time.monotonic()
        try:
            outcome = await self._handle(claim)
        except asyncio.CancelledError:
            # Drained or lost: another run picks it up from the store.
            await asyncio.shield(self._queue.finish(claim, datetime.now(UTC)))
            raise
        except Exception as error:
            log.error("the work queue cannot be written; the lease will run out", error=str(error))
            outcome = "failed"
        self._observe(claim.key.kind, outcome, time.monotonic() - started)

    async def _handle(self, claim: Claim) -> str:
        """Ends the claim in the queue, however the handler ends; returns the outcome."""
        try:
            again_at = await self._handlers[claim.key.kind](claim)
        except Superseded as reason:
            log.info("superseded", reason=str(reason))
            await self._queue.finish(claim, None)
            return "superseded"
        except Unavailable as error:
            log.warning("will be tried again", reason=str(error), attempts=claim.attempts + 1)
            await self._queue.fail(claim, str(error), error.retry_at)
            return "failed"
        except GreenroomError as error:
            log.warning("refused by a peer", reason=str(error), attempts=claim.attempts + 1)
            await self._queue.fail(claim, str(error), None)
            return "failed"
        except Exception as error:
            log.exception("a defect: this should not happen")
            await self._queue.fail(claim, type(error).__name__, None)
            return "failed"
        await self._queue.finish(claim, again_at)
        return "settled" if again_at is None else "again"
