"""Compares each environment with the clients of its own cluster."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from bot.environments.port_set import EnterCluster, Ports
from bot.infrastructure.drift.handler import DriftHandler
from bot.model.environment import Environment, EnvironmentKey
from bot.model.work import Claim


class EnvironmentReader(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...


class DriftByCluster:
    """`of_cluster` makes the handler of a cluster, which remembers what it compared."""

    def __init__(
        self,
        environments: EnvironmentReader,
        enter: EnterCluster,
        of_cluster: Callable[[str, Ports], DriftHandler],
    ) -> None:
        self._environments = environments
        self._enter = enter
        self._of_cluster = of_cluster
        self._handlers: dict[str, DriftHandler] = {}

    async def __call__(self, claim: Claim) -> datetime | None:
        """Within the cluster's share of the workers."""
        environment = await self._environments.get(EnvironmentKey.parse(claim.key.subject))
        cluster = environment.cluster if environment is not None else ""
        with self._enter(cluster) as ports:
            if cluster not in self._handlers:
                self._handlers[cluster] = self._of_cluster(cluster, ports)
            return await self._handlers[cluster](claim)
