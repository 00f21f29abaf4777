"""Compares the resources of a stage with its Terraform module, by a plan that changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.environments.infrastructure.ports import InfrastructureDriver
from bot.environments.ports import Fence
from bot.environments.secrets import InjectedSecrets
from bot.infrastructure.drift.resources import after_apply, is_due, planned, postponed, unplanned
from bot.model.drift import ResourceComparison
from bot.model.environment import Environment, EnvironmentKey
from bot.model.errors import Rejected, Unavailable
from bot.model.infrastructure import DRIFT_SLOT, InfrastructureView, Run, RunKind
from bot.model.manifest import Condition, NamespaceState, ObjectState
from bot.model.naming import infrastructure_namespace

_MAX_DETAIL = 300

SaveResources = Callable[[ResourceComparison], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ResourcePlans:
    """The plans of one cluster's stages. What was applied last is planned again, with the same values."""

    driver: InfrastructureDriver
    clock: Callable[[], datetime]
    interval: timedelta

    async def advance(
        self, environment: Environment, before: ResourceComparison | None, fence: Fence, save: SaveResources
    ) -> ResourceComparison:
        """Starts a plan when one is due, and reads one that ended. Only for a stage that is deployed.

        `save` stores what is known before a Job is created, so that no Job is forgotten.
        """
        stage = _Stage(self, environment, fence, save)
        try:
            return await stage.advance(before)
        except Unavailable as error:
            resources = before or ResourceComparison()
            return postponed(resources, str(error), self.interval, self.clock())

    async def cancel(
        self, environment: Environment, resources: ResourceComparison, fence: Fence
    ) -> ResourceComparison:
        """Ends a plan that is under way, because the stage is being deployed."""
        await _Stage(self, environment, fence, _ignored).discard()
        return replace(resources, run=0)


@dataclass(frozen=True, slots=True)
class _Stage:
    plans: ResourcePlans
    environment: Environment
    fence: Fence
    save: SaveResources
    namespace: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "namespace", infrastructure_namespace(self.environment.namespace))

    async def advance(self, before: ResourceComparison | None) -> ResourceComparison:
        now, view = self.plans.clock(), await self._driver.observe(self.namespace, self._key)
        record = view.record
        if view.namespace is not NamespaceState.OURS:
            missing = f"The namespace {self.namespace} does not exist or does not belong to this stage."
            return unplanned(before or ResourceComparison(), missing, now)
        if record.run.kind is not RunKind.APPLY or not record.finished:
            return unplanned(before or ResourceComparison(), "The last Terraform run has not finished.", now)
        resources = after_apply(before, record.run.name)
        if before is not None and before.run and not resources.run:
            await self.discard()
        if resources.run:
            return await self._follow(resources, view)
        if is_due(resources, self._key, self.plans.interval, now):
            resources = replace(resources, run=int(now.timestamp()))
            await self.discard()  # whatever an earlier store left
            await self.save(resources)
            await self._start(resources)
        return resources

    async def discard(self) -> None:
        await self._driver.discard_promotion(self.namespace, self._key, DRIFT_SLOT, self.fence)

    async def _start(self, resources: ResourceComparison) -> None:
        repository = self.environment.repository
        await self._driver.start(self.namespace, self._key, repository, _run(resources), self.fence)

    async def _follow(self, resources: ResourceComparison, view: InfrastructureView) -> ResourceComparison:
        now = self.plans.clock()
        try:
            await self._start(resources)
            state = await self._driver.look(self.namespace, self._key, _run(resources))
            if state.condition is Condition.PROGRESSING:
                return resources
            # Read again, so that everything that the run was given is hidden.
            view = await self._driver.observe(self.namespace, self._key)
            secrets = InjectedSecrets().conceal(view.concealed)
            if state.condition is Condition.FAILED:
                result = unplanned(resources, _failure(state, secrets), now)
            else:
                findings = [
                    replace(finding, object=secrets.hide(finding.object), path=secrets.hide(finding.path))
                    for finding in await self._driver.differences(self.namespace)
                ]
                result = planned(resources, findings, now)
        except Rejected as error:
            result = unplanned(resources, str(error), now)
        if bool(result.confirmed) is not view.record.drifted:
            # Otherwise a deployment with equal inputs would plan nothing, and repair nothing.
            changed = replace(view.record, drifted=bool(result.confirmed))
            await self._driver.record(self.namespace, self._key, changed, self.fence)
        await self.discard()
        return result

    @property
    def _driver(self) -> InfrastructureDriver:
        return self.plans.driver

    @property
    def _key(self) -> EnvironmentKey:
        return self.environment.key


def _run(resources: ResourceComparison) -> Run:
    return Run(RunKind.COMPARE, resources.run, DRIFT_SLOT)


def _failure(state: ObjectState, secrets: InjectedSecrets) -> str:
    detail = " ".join(secrets.hide(state.detail).split())[:_MAX_DETAIL]
    return f"Terraform cannot plan: {secrets.hide(state.message)}. {detail}".strip()


async def _ignored(_: ResourceComparison) -> None: ...
