"""Schedule of the sweeps: it enqueues a key, and a worker of any replica runs the sweep once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.model.work import Claim, WorkKey

Enqueue = Callable[[Sequence[WorkKey]], Awaitable[None]]
Sweep = Callable[[], Awaitable[None]]


class Schedule:
    """Enqueues each sweep at its interval, first within 5 s of the start."""

    def __init__(self, intervals: Mapping[str, timedelta], enqueue: Enqueue) -> None:
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._enqueue = enqueue
        for name, interval in intervals.items():
            self._scheduler.add_job(
                self._wake,
                "interval",
                args=[name],
                seconds=interval.total_seconds(),
                id=name,
                jitter=int(interval.total_seconds() / 10),
                coalesce=True,
                max_instances=1,
                next_run_time=datetime.now(UTC) + min(interval, timedelta(seconds=5)),
            )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)

    async def _wake(self, name: str) -> None:
        await self._enqueue([WorkKey("sweep", name)])


class Sweeper:
    """The handler of `sweep:` work."""

    def __init__(self, sweeps: Mapping[str, Sweep]) -> None:
        self._sweeps = sweeps

    async def __call__(self, claim: Claim) -> None:
        sweep = self._sweeps.get(claim.key.subject)
        if sweep is not None:
            await sweep()
