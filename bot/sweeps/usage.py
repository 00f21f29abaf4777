"""Measures what environments request and when they were used, and lets unused previews sleep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from cachetools import LRUCache

from bot.config.loader import parse_configuration
from bot.config.schema import Preview
from bot.environments.usage import Idle, last_used, may_sleep, measured, sleep_due, to_make_room
from bot.model.environment import Environment, EnvironmentKey, EnvironmentKind
from bot.model.errors import ConfigurationError, Unavailable
from bot.model.quota import Caps
from bot.model.rollout import Backend
from bot.model.sleep import Sleep, SleepCause
from bot.model.usage import Usage
from bot.sweeps.ports import STANDING, CandidateReader, EnvironmentFinder, SweepTelemetry

log = structlog.get_logger()

_MAX_CONFIGURATIONS = 200


class UsageStore(Protocol):
    async def read_all(self) -> Sequence[Usage]: ...

    async def save(self, changed: Sequence[Usage]) -> None: ...

    async def delete(self, keys: Collection[EnvironmentKey]) -> None: ...


class Sleeper(Protocol):
    async def put_to_sleep(self, environment: Environment, sleep: Sleep) -> bool:
        """Stops the workloads, unless the desired state has changed since the environment was read."""

    async def wake(self, key: EnvironmentKey, reason: str, by: str = "") -> bool:
        """Starts the workloads again."""


class RequestCounter(Protocol):
    async def requests(
        self, routes: Mapping[EnvironmentKey, tuple[str, Sequence[Backend]]]
    ) -> Mapping[EnvironmentKey, Mapping[str, int]]:
        """The numbers of requests of environments by source; `routes` are their namespaces and Services.

        Raises Unavailable when a source does not answer.
        """


@dataclass(frozen=True, slots=True)
class UsagePorts:
    environments: EnvironmentFinder
    candidates: CandidateReader
    usages: UsageStore
    sleeper: Sleeper
    gateways: Mapping[str, RequestCounter]
    """Counters by cluster, for clusters whose gateways have metrics."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """A preview that may sleep."""

    environment: Environment
    used_at: datetime
    counted: bool


class UsageSweep:
    """`caps` are None unless idle previews leave their slots to queued ones."""

    def __init__(
        self,
        ports: UsagePorts,
        caps: Caps | None,
        clock: Callable[[], datetime],
        telemetry: SweepTelemetry,
    ) -> None:
        self._ports = ports
        self._caps = caps
        self._clock = clock
        self._telemetry = telemetry
        self._previews: LRUCache[str, Preview | None] = LRUCache(_MAX_CONFIGURATIONS)

    async def __call__(self) -> None:
        before = {usage.key: usage for usage in await self._ports.usages.read_all()}
        standing = await self._ports.environments.find(states=STANDING)
        running = {usage.key for usage in before.values() if usage.cores}
        ended = await self._ports.environments.get_all(running - {item.key for item in standing})
        counts = await self._count(standing)
        now = self._clock()
        usages = {
            environment.key: measured(
                before.get(environment.key), environment, counts.get(environment.key), now
            )
            for environment in [*standing, *ended]
        }
        await self._ports.usages.save([usage for key, usage in usages.items() if usage != before.get(key)])
        await self._forget(before.keys() - usages.keys())
        candidates = [
            _Measured(
                environment,
                last_used(environment, usages[environment.key]),
                counted=environment.key in counts,
            )
            for environment in standing
            if environment.key.kind is EnvironmentKind.PREVIEW and may_sleep(environment)
        ]
        slept = await self._let_sleep(candidates, now)
        await self._forget_pushed(standing)
        self._telemetry.swept("usage", slept)

    async def _count(self, environments: Sequence[Environment]) -> Mapping[EnvironmentKey, Mapping[str, int]]:
        """The requests of environments, without those of clusters whose gateway does not answer."""
        counts: dict[EnvironmentKey, Mapping[str, int]] = {}
        for cluster, gateway in self._ports.gateways.items():
            routes = {
                environment.key: (environment.namespace, environment.attempt.load.backends)
                for environment in environments
                if environment.cluster == cluster and environment.attempt.load is not None
            }
            try:
                counts |= await gateway.requests(routes)
            except Unavailable as error:
                log.warning(
                    "requests not counted; idle previews stay awake", reason=str(error), cluster=cluster
                )
        return counts

    async def _let_sleep(self, candidates: Sequence[_Measured], now: datetime) -> int:
        due: dict[EnvironmentKey, SleepCause] = {}
        for candidate in candidates:
            preview = self._preview(candidate.environment)
            if preview is None:
                continue
            cause = sleep_due(preview, candidate.used_at, now, counted=candidate.counted)
            if cause is not None:
                due[candidate.environment.key] = cause
        if self._caps is not None:
            idle = [
                Idle(candidate.environment.key, candidate.used_at)
                for candidate in candidates
                if candidate.counted and candidate.environment.key not in due
            ]
            slots = await self._ports.candidates.candidates()
            due |= {victim.key: SleepCause.CAP for victim in to_make_room(slots, self._caps, idle, now)}
        slept = 0
        for candidate in candidates:
            pull, cause = candidate.environment.attempt.pull_request, due.get(candidate.environment.key)
            if cause is not None and pull is not None:
                sleep = Sleep(pull.head_sha, cause, idle_since=candidate.used_at)
                slept += await self._ports.sleeper.put_to_sleep(candidate.environment, sleep)
        return slept

    async def _forget_pushed(self, environments: Sequence[Environment]) -> None:
        """Drops requests to sleep of earlier heads, to which a later push could return."""
        for environment in environments:
            sleep, pull = environment.overrides.sleep, environment.attempt.pull_request
            is_current = environment.observed_generation == environment.generation
            if sleep is not None and pull is not None and is_current and sleep.commit != pull.head_sha:
                await self._ports.sleeper.wake(environment.key, "A push woke the preview.")

    async def _forget(self, keys: Collection[EnvironmentKey]) -> None:
        """Deletes the usages of environments that the store no longer has."""
        kept = {environment.key for environment in await self._ports.environments.get_all(keys)}
        await self._ports.usages.delete([key for key in keys if key not in kept])

    def _preview(self, environment: Environment) -> Preview | None:
        """The configuration of the preview; None if the file is invalid."""
        text = environment.attempt.configuration
        if text is None:
            return None
        if text not in self._previews:
            try:
                self._previews[text] = parse_configuration(text).preview
            except ConfigurationError:
                self._previews[text] = None
        return self._previews[text]
