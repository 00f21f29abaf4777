"""The handler of `drift:` work: compares one stage or demo, repairs it if configured, and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.config.stages import DriftPolicy
from bot.environments.context import Ports
from bot.environments.infrastructure.reasons import PlainInfrastructureReason
from bot.environments.policy import Policy
from bot.environments.ports import Fence
from bot.infrastructure.drift.comparison import ResourcePlans
from bot.infrastructure.drift.declared import DeclaredObjects, is_deployed
from bot.infrastructure.drift.detection import failed, healed, may_heal, observed, with_resources
from bot.infrastructure.drift.exceptions import Exceptions
from bot.infrastructure.drift.inventory import Declared
from bot.infrastructure.drift.ports import DriftReporter, DriftStore, DriftTelemetry, LiveObjects
from bot.infrastructure.drift.repair import repair, repairable
from bot.infrastructure.drift.resources import unplanned
from bot.infrastructure.drift.round import Compared, Round
from bot.model.drift import DriftAction, DriftRecord, DriftState, Heal, ResourceComparison
from bot.model.environment import Environment, EnvironmentKey
from bot.model.errors import ConfigurationError, Rejected, Unavailable
from bot.model.work import Claim

log = structlog.get_logger()

CONFIRM_AFTER = timedelta(seconds=60)
"""When something was seen once, it is looked at again after this time, or after the interval if shorter."""
_LOOK_AGAIN = timedelta(seconds=30)
"""While a plan is under way."""


@dataclass(frozen=True, slots=True)
class DriftLimits:
    """The operator's settings."""

    interval: timedelta
    heals_per_day: int
    infrastructure_interval: timedelta
    ignored: Sequence[str] = ()
    """Rules of what is not drift, besides the well-known ones."""


@dataclass(frozen=True, slots=True)
class DriftHandler:
    ports: Ports
    drifts: DriftStore
    declared: DeclaredObjects
    round: Round
    reporter: DriftReporter
    telemetry: DriftTelemetry
    limits: DriftLimits

    @classmethod
    def of(
        cls,
        ports: Ports,
        policy: Policy,
        limits: DriftLimits,
        drifts: DriftStore,
        live_objects: LiveObjects,
        reporter: DriftReporter,
        telemetry: DriftTelemetry,
    ) -> DriftHandler:
        exceptions = Exceptions.with_more(limits.ignored)
        compare = Round(live_objects, ports.registry, policy.digest_key, exceptions)
        declared = DeclaredObjects(ports, policy, live_objects)
        return cls(ports, drifts, declared, compare, reporter, telemetry, limits)

    async def __call__(self, claim: Claim) -> datetime | None:
        key = EnvironmentKey.parse(claim.key.subject)
        environment = await self.ports.environments.get(key)
        before = await self.drifts.get(key)
        policy = await self._policy(environment) if environment is not None else None
        if environment is None or environment.overrides.target is None or _ignores(policy):
            if before is not None:
                await self._end(claim, before)
            return None
        action = policy.action if policy is not None else DriftAction.ALERT
        record = before or DriftRecord(key, environment.repository)
        record = replace(record, action=action, repository=environment.repository)
        if not is_deployed(environment):
            await self._cancel_plan(claim, environment, record)
            return None  # it is being deployed right now
        compared, declared = None, None
        if not self._only_waits_for_a_plan(record):
            compared, declared, record = await self._compare(claim, environment, record)
            self.telemetry.drift_checked(record.state)
        record = await self._plan(claim, environment, record)
        if not await self._is_current(environment):
            return None
        await self.drifts.save(claim, record)
        record = await self._report(claim, environment, record)
        repairs = False
        if compared is not None and declared is not None and action is DriftAction.HEAL:
            repairs = await self._heal(claim, environment, record, compared, declared)
        if record.resources is not None and record.resources.run:
            return self.ports.clock() + min(_LOOK_AGAIN, self.limits.interval)
        if record.suspected or repairs:
            return self.ports.clock() + self._confirm_after
        return None

    @property
    def _confirm_after(self) -> timedelta:
        return min(CONFIRM_AFTER, self.limits.interval)

    def _only_waits_for_a_plan(self, record: DriftRecord) -> bool:
        """Objects are not compared each time that a plan which is under way is looked at."""
        waits = record.resources is not None and record.resources.run
        last = record.checked_at
        return bool(waits) and last is not None and self.ports.clock() - last < self._confirm_after

    async def _plan(self, claim: Claim, environment: Environment, record: DriftRecord) -> DriftRecord:
        """The record with what plans show about the stage's resources."""
        target, now = environment.overrides.target, self.ports.clock()
        assert target is not None, "only a deployed environment is compared"
        try:
            settings = parse_configuration(target.configuration).infrastructure_of(environment.key)
        except ConfigurationError:  # the comparison of objects reports it
            return record
        if settings is None:
            return with_resources(record, None, now)
        driver = self.ports.infrastructure
        if driver is None or not driver.image:
            reason = self.ports.describe(PlainInfrastructureReason.NOT_OFFERED)
            unknown = unplanned(record.resources or ResourceComparison(), reason, now)
            return with_resources(record, unknown, now)

        async def save(resources: ResourceComparison) -> None:
            await self.drifts.save(claim, with_resources(record, resources, now))

        plans = ResourcePlans(driver, self.ports.clock, self.limits.infrastructure_interval)
        before = record.resources
        after = await plans.advance(environment, before, self._fence(claim, environment), save)
        if after.checked_at != (before.checked_at if before is not None else None):
            self.telemetry.resources_compared(_state_of(after))
        return with_resources(record, after, now)

    async def _cancel_plan(self, claim: Claim, environment: Environment, record: DriftRecord) -> None:
        """A plan that is under way ends when a deployment begins: its result would count for nothing."""
        resources, driver = record.resources, self.ports.infrastructure
        if resources is None or not resources.run or driver is None:
            return
        plans = ResourcePlans(driver, self.ports.clock, self.limits.infrastructure_interval)
        after = await plans.cancel(environment, resources, self._fence(claim, environment))
        await self.drifts.save(claim, with_resources(record, after, self.ports.clock()))

    def _fence(self, claim: Claim, environment: Environment) -> Fence:
        async def fence() -> None:
            await self.ports.environments.check(claim, environment.key, environment.generation)

        return fence

    async def _policy(self, environment: Environment) -> DriftPolicy | None:
        """The policy on the default branch, or else the deployed one; None if there is no such stage."""
        target, key = environment.overrides.target, environment.key
        texts = [target.configuration] if target is not None else []
        try:
            present = await self.ports.contents.default_branch_file(environment.repository, CONFIG_FILE)
        except (Rejected, Unavailable) as error:
            log.info("drift policy of the default branch not readable", reason=str(error))
        else:
            texts = [present, *texts] if present is not None else texts
        for text in texts:
            try:
                stage = parse_configuration(text).find_stage(key)
            except ConfigurationError:
                continue
            if stage is not None:
                return stage.drift
        return None

    async def _compare(
        self, claim: Claim, environment: Environment, record: DriftRecord
    ) -> tuple[Compared | None, Declared | None, DriftRecord]:
        now, images = self.ports.clock(), environment.attempt.images
        try:
            declared = await self.declared.read(claim, environment)
            compared = await self.round.compare(environment.namespace, declared, images)
        except (Rejected, Unavailable) as error:
            return None, None, failed(record, str(error), now)
        return compared, declared, observed(record, compared.comparison, _deployment(environment), now)

    async def _is_current(self, environment: Environment) -> bool:
        """Whether no deployment began during the comparison, which would explain differences."""
        after = await self.ports.environments.get(environment.key)
        return after is not None and is_deployed(after) and _deployment(after) == _deployment(environment)

    async def _heal(
        self,
        claim: Claim,
        environment: Environment,
        record: DriftRecord,
        compared: Compared,
        declared: Declared,
    ) -> bool:
        """Whether it repaired something, or tried to."""
        objects = repairable(record.confirmed, declared)
        now = self.ports.clock()
        if not objects or not may_heal(record, self.limits.heals_per_day, now):
            return False

        # Recorded before the writes, so that a repair during which the process ends is counted.
        await self.drifts.save(claim, healed(record, Heal(now)))
        heal = await repair(
            self.round.live_objects,
            objects,
            declared,
            compared.live,
            self.round.rules,
            self._fence(claim, environment),
            now,
        )
        self.telemetry.drift_healed(len(heal.healed), succeeded=not heal.problem)
        log.info("drift repaired", objects=heal.healed, problem=heal.problem)
        await self.drifts.save(claim, healed(record, heal))
        return True

    async def _report(self, claim: Claim, environment: Environment, record: DriftRecord) -> DriftRecord:
        """The record with the issue's number. What GitHub refuses is kept as a problem, which pages show."""
        reported = record

        async def save(changed: DriftRecord) -> None:
            nonlocal reported
            await self.drifts.save(claim, changed)
            reported = changed

        await self.reporter.report_drift(record, self._fence(claim, environment), save)
        return reported

    async def _end(self, claim: Claim, record: DriftRecord) -> None:
        """Nothing is compared any more: the issue is closed and the record deleted."""

        async def save(changed: DriftRecord) -> None:
            await self.drifts.save(claim, changed)

        async def fence() -> None: ...

        ended = replace(record, confirmed=(), suspected=(), unreadable=(), checked_at=record.checked_at)
        await self.reporter.report_drift(ended, fence, save)
        await self.drifts.delete(claim, record.key)


def _ignores(policy: DriftPolicy | None) -> bool:
    return policy is not None and policy.action is DriftAction.IGNORE


def _state_of(resources: ResourceComparison) -> DriftState:
    if resources.confirmed:
        return DriftState.DRIFTED
    return DriftState.UNKNOWN if resources.problem else DriftState.CLEAN


def _deployment(environment: Environment) -> str:
    target = environment.overrides.target
    serial = target.serial if target is not None else 0
    return f"{environment.generation}.{serial}"
