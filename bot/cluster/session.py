"""Takes a cluster beside the default one into use, and gives it up when another store works there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from bot.cluster.client.api import KubernetesApi
from bot.cluster.confinement import prove_confinement
from bot.cluster.watch import Changed, Watcher
from bot.environments.activation import Activation
from bot.model.errors import GreenroomError

log = structlog.get_logger()

_RETRY_SECONDS = 5.0


class ClusterSession:
    """Nothing is written to the cluster before it was shown to confine the bot and names this store."""

    def __init__(self, name: str, api: KubernetesApi, app_id: int) -> None:
        self._name = name
        self._api = api
        self._app_id = app_id
        self._problem = "it was not reached since the start of Greenroom"
        self._active = False

    @property
    def problem(self) -> str:
        """Why the cluster is not in use, as a sentence; "" while it is."""
        return "" if self._active else f"The cluster {self._name} is not in use: {self._problem}."

    async def run(
        self, activation: Activation, changed: Changed, started: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Until cancelled. Calls `started` when the cluster is in use, `changed` for each change there."""
        while True:
            try:
                await self._start(activation)
                await started()
                await self._follow(activation, changed)
                self._end(activation.problem)
            except GreenroomError as error:
                self._end(str(error))
            except Exception as error:
                log.exception("cluster session failed", cluster=self._name)
                self._end(type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _start(self, activation: Activation) -> None:
        await prove_confinement(self._api, self._app_id)
        while not await activation.start():
            self._end(activation.problem)
            await asyncio.sleep(_RETRY_SECONDS)
        self._active = True
        log.info("cluster in use", cluster=self._name)

    async def _follow(self, activation: Activation, changed: Changed) -> None:
        """Returns when another store has taken the cluster's Lease."""
        watching = asyncio.create_task(Watcher(self._api).run(changed))
        try:
            await activation.run(lambda: None)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def _end(self, problem: str) -> None:
        reason = problem.rstrip(".")
        reason = reason[:1].lower() + reason[1:]
        if self._active or reason != self._problem:
            log.warning("cluster not in use", cluster=self._name, reason=reason)
        self._active, self._problem = False, reason
