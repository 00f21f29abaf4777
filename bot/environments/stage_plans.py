"""The plan of a promotion: made before the stage changes, so that it is part of what is approved.

It has its own inputs, Jobs and record in the namespace of the stage's infrastructure, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.config.infrastructure import DestroyPolicy, Infrastructure
from bot.config.schema import Configuration
from bot.environments.infrastructure.module import request_digest
from bot.environments.infrastructure.ports import InfrastructureDriver
from bot.environments.infrastructure.reasons import PlainInfrastructureReason
from bot.environments.infrastructure_request import FoundModule, Place, find_module, read_request
from bot.environments.outcome import Failed
from bot.environments.policy import Policy
from bot.environments.port_set import EnterCluster, Ports
from bot.environments.ports import Fence
from bot.environments.reasons import EnvironmentReason, ForeignNamespace
from bot.environments.render_request import hosts_of
from bot.environments.secrets import InjectedSecrets
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.infrastructure import InfrastructureRecord, Run, RunKind
from bot.model.manifest import Condition, NamespaceState
from bot.model.naming import infrastructure_namespace
from bot.model.plan import PlannedChange, approvable_digest
from bot.model.repository import Repository


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """What a promotion would bring a stage to."""

    promotion: str
    """Its id."""
    key: EnvironmentKey
    repository: Repository
    commit: str
    configuration: Configuration
    namespace: str
    """Namespace of the stage."""
    cluster: str


@dataclass(frozen=True, slots=True)
class PlanPending:
    message: str


@dataclass(frozen=True, slots=True)
class PlanFailed:
    """The plan cannot be made; another promotion makes another one."""

    message: str
    detail: str = ""


StagePlan = PlannedChange | PlanPending | PlanFailed


@dataclass(frozen=True, slots=True)
class StagePlanner:
    enter: EnterCluster
    policy: Policy

    async def plan(self, stage: PlannedStage, fence: Fence) -> StagePlan | None:
        """The plan, or how far it is. None for a stage without infrastructure.

        Raises Unavailable when the cluster or a provider of secrets does not answer.
        """
        settings = stage.configuration.infrastructure_of(stage.key)
        if settings is None:
            return None
        with self.enter(stage.cluster) as ports:
            driver = ports.infrastructure
            if driver is None or not driver.image:
                return PlanPending(_sentence(ports, PlainInfrastructureReason.NOT_OFFERED))
            try:
                return await _Plan(ports, driver, stage, settings, self.policy.digest_key, fence).advance()
            except Rejected as error:
                return PlanFailed(str(error).rstrip("."))

    async def discard(self, stage: PlannedStage, fence: Fence) -> None:
        """Deletes what the plan left, and the namespace if the stage never had infrastructure. Idempotent."""
        namespace = infrastructure_namespace(stage.namespace)
        with self.enter(stage.cluster) as ports:
            driver = ports.infrastructure
            if driver is None:
                return
            view = await driver.observe(namespace, stage.key)
            if view.namespace is not NamespaceState.OURS:
                return
            if view.state is None and not view.record.run.number:
                await driver.delete(namespace, stage.key, fence)
            else:
                await driver.discard_promotion(namespace, stage.key, stage.promotion, fence)


@dataclass(frozen=True, slots=True)
class _Plan:
    ports: Ports
    driver: InfrastructureDriver
    stage: PlannedStage
    settings: Infrastructure
    digest_key: bytes
    fence: Fence

    async def advance(self) -> StagePlan:
        """Continues from the last recorded run for the current inputs and the current state."""
        stage, namespace = self.stage, self._namespace
        present = await self.driver.observe(namespace, stage.key)
        if present.namespace is NamespaceState.FOREIGN:
            return PlanFailed(_sentence(self.ports, ForeignNamespace(namespace)))
        if present.namespace is NamespaceState.TERMINATING:
            return PlanPending(_sentence(self.ports, PlainInfrastructureReason.NAMESPACE_TERMINATING))
        own = await self.driver.observe(namespace, stage.key, stage.promotion)
        release = FoundModule(stage.repository, stage.commit)
        module = await find_module(self.ports, self.settings, release, own.record.module)
        request = await read_request(self.ports, self.settings, self._place(), module, self.digest_key)
        if isinstance(request, Failed):
            return PlanFailed(_sentence(self.ports, request.reason), request.detail)
        done, record = present.record, own.record
        state = f"{done.run.name}/{done.finished}"
        digest = f"{request_digest(request, self.driver.image, 0, self.digest_key)}/{state}"
        if record.digest != digest:
            repository, fence = stage.repository, self.fence
            await self.driver.prepare(namespace, stage.key, repository, request, fence, stage.promotion)
            run = Run(RunKind.PLAN, record.run.number + 1, stage.promotion)
            record = InfrastructureRecord(run, finished=False, digest=digest, module=module.pinned)
            await self._record(record)
        elif record.finished:
            return self._planned(record)
        return await self._follow(record)

    async def _follow(self, record: InfrastructureRecord) -> StagePlan:
        namespace, stage, driver = self._namespace, self.stage, self.driver
        await driver.start(namespace, stage.key, stage.repository, record.run, self.fence)
        state = await driver.look(namespace, stage.key, record.run)
        if state.condition is not Condition.READY:
            # Read last, so that everything that the run was given is hidden.
            view = await driver.observe(namespace, stage.key)
            secrets = InjectedSecrets().conceal(view.concealed)
            if state.condition is Condition.PROGRESSING:
                return PlanPending(secrets.hide(state.message))
            return PlanFailed(secrets.hide(state.message), secrets.hide(state.detail))
        plan = await driver.saved_plan(namespace, stage.promotion)
        digest = approvable_digest(plan.digest, record.module)
        record = replace(record, finished=True, plan=digest, summary=plan.summary)
        await self._record(record)
        await driver.discard_plan(namespace, self.fence, stage.promotion)
        return self._planned(record)

    def _planned(self, record: InfrastructureRecord) -> PlannedChange:
        summary = record.summary
        needed = bool(summary.destructive) and self.settings.destroy is DestroyPolicy.APPROVE
        return PlannedChange(record.plan, summary, needed, record.module)

    def _place(self) -> Place:
        stage, gateway = self.stage, self.ports.gateway
        section = stage.configuration.section_of(stage.key)
        host = hosts_of(section, stage.key, stage.repository, gateway.host, fork=False).own
        return Place(stage.key, stage.repository, stage.commit, host, gateway.url(host))

    async def _record(self, record: InfrastructureRecord) -> None:
        await self.driver.record(self._namespace, self.stage.key, record, self.fence)

    @property
    def _namespace(self) -> str:
        return infrastructure_namespace(self.stage.namespace)


def _sentence(ports: Ports, reason: EnvironmentReason) -> str:
    return ports.describe(reason).rstrip(".")
