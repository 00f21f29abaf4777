"""Wakes the environments of a cluster that became unreachable or answers again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from bot.model.environment import EnvironmentKey
from bot.model.errors import GreenroomError
from bot.model.work import WorkKey

log = structlog.get_logger()

_SPACING = timedelta(milliseconds=20)


class EnvironmentsOfClusters(Protocol):
    async def keys_on(self, cluster: str) -> Sequence[EnvironmentKey]:
        """All environments that are on a cluster."""


class Enqueuer(Protocol):
    async def enqueue(self, keys: Iterable[WorkKey], *, spacing: timedelta = timedelta()) -> None: ...


class ClusterWaker:
    """Each environment reads its cluster again: it reports that it waits, or catches up."""

    def __init__(self, environments: EnvironmentsOfClusters, queue: Enqueuer) -> None:
        self._environments = environments
        self._queue = queue
        self._running: set[asyncio.Task[None]] = set()

    def changed(self, cluster: str, unreachable: bool) -> None:
        if unreachable:
            log.warning("cluster unreachable", cluster=cluster)
        else:
            log.info("cluster reachable again", cluster=cluster)
        task = asyncio.create_task(self.wake(cluster))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def wake(self, cluster: str) -> None:
        try:
            keys = await self._environments.keys_on(cluster)
            await self._queue.enqueue(map(WorkKey.environment, keys), spacing=_SPACING)
        except GreenroomError as error:
            log.warning("environments not woken", cluster=cluster, reason=str(error))

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
