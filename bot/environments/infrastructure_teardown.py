"""Destroys the infrastructure of an environment that ends, before anything else of it is deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.environments import transitions
from bot.environments.context import ReconcileContext
from bot.environments.desired_state import Absent
from bot.environments.infrastructure.ports import InfrastructureDriver
from bot.environments.infrastructure.reasons import (
    DestroyFailed,
    InfrastructureRunning,
    PlainInfrastructureReason,
)
from bot.environments.reasons import EnvironmentReason
from bot.environments.waiting import DELETION_CHECK_AGAIN, WATCHED
from bot.model.environment import EnvironmentState
from bot.model.errors import Rejected
from bot.model.infrastructure import InfrastructureRecord, InfrastructureView, Run, RunKind
from bot.model.manifest import Condition, NamespaceState
from bot.model.naming import infrastructure_namespace

_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)


def retry_pause(failures: int) -> timedelta:
    """How long after the last of this many failed runs the next one starts."""
    doubled: timedelta = _FIRST_PAUSE * (1 << min(failures - 1, 10))
    return min(doubled, _LONGEST_PAUSE)


async def destroy_infrastructure(context: ReconcileContext, absent: Absent) -> datetime | None:
    """Destroys the infrastructure. Returns when to check again, None when nothing is left."""
    driver = context.ports.infrastructure
    if driver is None:
        return None
    return await _Teardown(context, driver, absent).run()


class _Teardown:
    def __init__(self, context: ReconcileContext, driver: InfrastructureDriver, absent: Absent) -> None:
        self._context = context
        self._driver = driver
        self._absent = absent
        self._key = context.environment.key
        self._namespace = infrastructure_namespace(context.namespace)

    async def run(self) -> datetime | None:
        context, now = self._context, self._context.ports.clock()
        view = await self._driver.observe(self._namespace, self._key)
        if view.namespace in (NamespaceState.ABSENT, NamespaceState.FOREIGN):
            return None
        context.secrets = context.secrets.conceal(view.concealed)
        if view.namespace is NamespaceState.TERMINATING:
            self._show(self._absent.reason)
            return now + DELETION_CHECK_AGAIN
        try:
            return await self._destroy(view, now)
        except Rejected as error:
            # Such as deleted credentials or an unreadable state: nothing may be deleted until that is solved.
            return await self._failed(view.record, str(error), error.detail, now)

    async def _destroy(self, view: InfrastructureView, now: datetime) -> datetime:
        record, context = view.record, self._context
        if self._is_abandoned(record):
            context.decide("abandoned", PlainInfrastructureReason.ABANDONED)
            return await self._delete(now)
        if record.finished or (record.failed_at is not None and now >= self._again(record)):
            if view.state is None or not view.state.resources:
                return await self._delete(now)
            return await self._start(record, now)
        if record.failed_at is not None:
            return self._again(record)
        repository = context.environment.repository
        await self._driver.start(self._namespace, self._key, repository, record.run, context.fence)
        state = await self._driver.look(self._namespace, self._key, record.run)
        if state.condition is Condition.PROGRESSING:
            self._show(InfrastructureRunning(record.run.kind, state.message))
            await context.report()
            return now + WATCHED
        if state.condition is Condition.READY:
            await self._record(replace(record, finished=True, failed_at=None))
            return now
        if record.run.kind is not RunKind.DESTROY:  # whatever it did is in the state
            return await self._start(record, now)
        return await self._failed(record, state.message, state.detail, now)

    async def _start(self, record: InfrastructureRecord, now: datetime) -> datetime:
        run = Run(RunKind.DESTROY, record.run.number + 1)
        await self._record(replace(record, run=run, finished=False, failed_at=None))
        self._show(InfrastructureRunning(run.kind, "it is starting"))
        repository = self._context.environment.repository
        await self._driver.start(self._namespace, self._key, repository, run, self._context.fence)
        return now + WATCHED

    async def _failed(
        self, record: InfrastructureRecord, message: str, detail: str, now: datetime
    ) -> datetime:
        run = record.run if record.run.kind is RunKind.DESTROY else Run(RunKind.DESTROY, record.run.number)
        failed = replace(record, run=run, finished=False, failures=record.failures + 1, failed_at=now)
        await self._record(failed)
        again = self._again(failed)
        reason = DestroyFailed(self._key, failed.failures, message, again)
        self._context.decide("failed", reason)
        self._context.ports.telemetry.destroy_failed()
        self._show(reason, detail)
        await self._context.report()
        return again

    def _again(self, record: InfrastructureRecord) -> datetime:
        assert record.failed_at is not None, "it has failed"
        return record.failed_at + retry_pause(record.failures)

    def _is_abandoned(self, record: InfrastructureRecord) -> bool:
        """Whether a user abandoned it after the last failure. Later failures need another decision."""
        abandoned, failed = self._context.overrides.abandoned_at, record.failed_at
        return abandoned is not None and failed is not None and abandoned >= failed

    async def _delete(self, now: datetime) -> datetime:
        self._show(self._absent.reason)
        await self._driver.delete(self._namespace, self._key, self._context.fence)
        return now + DELETION_CHECK_AGAIN

    def _show(self, reason: EnvironmentReason, detail: str = "") -> None:
        context = self._context
        if context.status.state is not EnvironmentState.DELETING:
            context.decide("deleting", self._absent.reason)
            now = context.ports.clock()
            context.update_attempt(replace(context.attempt, deleting_since=now))
        cause = context.message(reason, detail)
        context.update_status(transitions.deleting(context.status, self._absent.end, cause))

    async def _record(self, record: InfrastructureRecord) -> None:
        await self._driver.record(self._namespace, self._key, record, self._context.fence)
