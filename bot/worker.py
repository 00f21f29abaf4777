"""Runs the work queue: claims keys, calls the handler of each kind, and extends the leases."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog

from bot.clients.reachability import Reachability
from bot.model.errors import Deferred, GreenroomError, Superseded, Unavailable
from bot.model.work import Claim

log = structlog.get_logger()

Handler = Callable[[Claim], Awaitable[datetime | None]]
"""Processes one key; returns when to run it again at the latest, or None."""

Observer = Callable[[str, str, float], None]
"""Called after each run with kind, outcome (settled, again, superseded, failed) and seconds."""

_LEASE_SECONDS = 15
"""The longest time until another replica continues the work of a replica that was killed."""
_HEARTBEAT_SECONDS = 4
_MAX_WAIT_SECONDS = 5.0
"""The longest delay after an expired lease or a lost notification."""


class Queue(Protocol):
    async def claim(self, owner: str, limit: int, lease_seconds: float) -> Sequence[Claim]: ...

    async def heartbeat(self, claims: Sequence[Claim], lease_seconds: float) -> Sequence[Claim]:
        """Extends the leases; returns the lost claims."""

    async def finish(self, claim: Claim, again_at: datetime | None) -> bool:
        """Returns False when the claim was lost."""

    async def fail(self, claim: Claim, error: str, at: datetime | None) -> bool:
        """Schedules the key again, at `at` or after a backoff; returns False when the claim was lost."""

    async def wait_for_work(self, seconds: float) -> None:
        """Returns when a key may be due, after `seconds` at the latest."""


class Worker:
    """Processes up to `concurrency` keys at once. Any number of workers can share one queue."""

    def __init__(
        self, queue: Queue, handlers: Mapping[str, Handler], concurrency: int, observe: Observer
    ) -> None:
        self._queue = queue
        self._handlers = handlers
        self._concurrency = concurrency
        self._observe = observe
        self._owner = f"{socket.gethostname()}/{secrets.token_hex(4)}"
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._reachability = Reachability("database")
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(self._claim_forever()),
            asyncio.create_task(self._extend_forever()),
        ]

    async def drain(self, seconds: float) -> None:
        """Stops claiming and waits for running work; returns to the queue what is not finished in time."""
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
                    await self._queue.wait_for_work(_MAX_WAIT_SECONDS)
                self._reachability.answered()
            except Exception as error:  # the store may be unavailable; its work stays in the queue
                self._reachability.failed(error)
                await asyncio.sleep(1)

    async def _extend_forever(self) -> None:
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
                self._reachability.failed(error)
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
            # Draining, or the lease was lost: another run continues.
            await asyncio.shield(self._queue.finish(claim, datetime.now(UTC)))
            raise
        except Exception as error:
            log.error("work queue not writable, lease will expire", error=str(error))
            outcome = "failed"
        self._observe(claim.key.kind, outcome, time.monotonic() - started)

    async def _handle(self, claim: Claim) -> str:
        """Runs the handler and always finishes the claim; returns the outcome."""
        try:
            again_at = await self._handlers[claim.key.kind](claim)
        except Superseded as error:
            log.info("work superseded", reason=str(error))
            await self._queue.finish(claim, None)
            return "superseded"
        except Deferred as error:
            log.debug("write deferred", reason=str(error))
            await self._queue.finish(claim, error.retry_at)
            return "again"
        except Unavailable as error:
            log.warning("work failed, will be retried", reason=str(error), attempts=claim.attempts + 1)
            await self._queue.fail(claim, str(error), error.retry_at)
            return "failed"
        except GreenroomError as error:
            log.warning("request rejected", reason=str(error), attempts=claim.attempts + 1)
            await self._queue.fail(claim, str(error), None)
            return "failed"
        except Exception as error:
            log.exception("unexpected error")
            await self._queue.fail(claim, type(error).__name__, None)
            return "failed"
        await self._queue.finish(claim, again_at)
        return "settled" if again_at is None else "again"
