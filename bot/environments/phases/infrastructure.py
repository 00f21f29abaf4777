"""Infrastructure phase: plans a Terraform module, applies exactly that plan, and reads its outputs.

What was done is recorded in the namespace of the infrastructure, where it survives the loss of the store.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.config.infrastructure import DestroyPolicy, Infrastructure
from bot.environments.context import ReconcileContext
from bot.environments.infrastructure.module import request_digest
from bot.environments.infrastructure.ports import InfrastructureDriver
from bot.environments.infrastructure.reasons import (
    InfrastructureApplied,
    InfrastructureFailed,
    InfrastructurePlanned,
    InfrastructureRunning,
    OutputsUnusable,
    PlainInfrastructureReason,
    PlanNeedsApproval,
    PlanRefused,
)
from bot.environments.infrastructure_request import FoundModule, Place, find_module, read_request
from bot.environments.outcome import Done, Failed, Outcome, Waiting
from bot.environments.reasons import ForeignNamespace
from bot.environments.secrets import SHORTEST
from bot.environments.transitions import INFRASTRUCTURE_MARK
from bot.environments.waiting import REPORT_BLOCKED_AFTER
from bot.model.environment import Phase
from bot.model.infrastructure import (
    InfrastructureRecord,
    InfrastructureRequest,
    InfrastructureView,
    Output,
    Run,
    RunKind,
)
from bot.model.manifest import Condition, NamespaceState
from bot.model.naming import infrastructure_namespace
from bot.model.plan import AppliedPlan, PlannedChange, approvable_digest

_RUN_TIMEOUT = timedelta(hours=3)
_APPROVAL_TIME = timedelta(days=7)
_INPUT, _STARTED = f"{INFRASTRUCTURE_MARK}-input", f"{INFRASTRUCTURE_MARK}-run"
"""Names under which an attempt records the digest of the inputs, and the run that it started."""
_DRIFTED = f"{INFRASTRUCTURE_MARK}-drifted"
"""Name under which an attempt records the run whose resources had drifted when it began."""


async def infrastructure(context: ReconcileContext) -> Outcome:
    settings = context.loaded_configuration.infrastructure_of(context.environment.key)
    if settings is None:
        return Done()
    if context.from_fork:
        if context.overrides.target is not None:
            return Failed(PlainInfrastructureReason.FORK_ON_STAGE, final=True)
        context.add_note(PlainInfrastructureReason.WITHHELD_FROM_FORK)
        return Done()
    driver = context.ports.infrastructure
    if driver is None or not driver.image:
        return Failed(PlainInfrastructureReason.NOT_OFFERED, final=False)
    return await _Workspace(context, driver, settings).reconcile()


async def read_outputs(context: ReconcileContext) -> Failed | None:
    """Adds the outputs of what was applied to the variables of the environment, without any write."""
    settings = context.loaded_configuration.infrastructure_of(context.environment.key)
    driver = context.ports.infrastructure
    if settings is None or driver is None or context.from_fork:
        return None
    view = await driver.observe(infrastructure_namespace(context.namespace), context.environment.key)
    return use_outputs(context, settings, view)


def use_outputs(
    context: ReconcileContext, settings: Infrastructure, view: InfrastructureView
) -> Failed | None:
    outputs = view.state.outputs if view.state is not None else {}
    missing = tuple(sorted(name for name in settings.outputs.values() if name not in outputs))
    values = {variable: outputs[name] for variable, name in settings.outputs.items() if name in outputs}
    short = tuple(sorted(name for name, output in values.items() if _is_too_short(output)))
    if missing or short:
        return Failed(OutputsUnusable(missing, short), final=True)
    context.secrets = context.secrets.with_outputs(values, view.concealed, context.policy.digest_key)
    return None


def _is_too_short(output: Output) -> bool:
    return output.sensitive and len(output.value) < SHORTEST


class _Workspace:
    """One environment's infrastructure during one run of the phase."""

    def __init__(
        self, context: ReconcileContext, driver: InfrastructureDriver, settings: Infrastructure
    ) -> None:
        self._context = context
        self._driver = driver
        self._settings = settings
        self._key = context.environment.key
        self._namespace = infrastructure_namespace(context.namespace)

    async def reconcile(self) -> Outcome:
        """Continues from the last recorded run, whatever its state, to the outputs of the current inputs."""
        view = await self._observe()
        if view.namespace is NamespaceState.FOREIGN:
            return Failed(ForeignNamespace(self._namespace), final=True)
        if view.namespace is NamespaceState.TERMINATING:
            return self._wait(PlainInfrastructureReason.NAMESPACE_TERMINATING)
        record = view.record
        if not record.finished:
            ended = await self._follow(record)
            if not isinstance(ended, InfrastructureRecord):
                return ended
            record = ended
        digest = await self._input(view)
        if isinstance(digest, Failed):
            return digest
        drifted = self._context.attempt.applied.get(_DRIFTED) == record.run.name
        destroyed = record.run.kind is RunKind.DESTROY
        if record.digest != digest or not record.finished or destroyed or drifted:
            module = self._context.attempt.module
            record = replace(record, digest=digest, drifted=False, module=module)
            return await self._start(record, RunKind.PLAN)
        if record.run.kind is RunKind.PLAN:
            return await self._after_plan(record)
        self._show_applied(record)
        if record is not view.record:
            view = await self._observe()
        return use_outputs(self._context, self._settings, view) or Done()

    async def _observe(self) -> InfrastructureView:
        view = await self._driver.observe(self._namespace, self._key)
        self._context.secrets = self._context.secrets.conceal(view.concealed)
        return view

    async def _follow(self, record: InfrastructureRecord) -> InfrastructureRecord | Outcome:
        """The record after the unfinished run has ended, or why it has not.

        A run that failed in an earlier attempt stays unfinished in the record, and is followed by a new plan.
        """
        run, context = record.run, self._context
        await self._create(run)
        state = await self._driver.look(self._namespace, self._key, run)
        if state.condition is Condition.PROGRESSING:
            reason = InfrastructureRunning(run.kind, state.message)
            return self._wait(reason, blocked=state.blocked)
        if state.condition is Condition.FAILED:
            if context.attempt.applied.get(_STARTED) == run.name:
                return Failed(InfrastructureFailed(run.kind, state.message), True, state.detail)
            return record
        if run.kind is RunKind.PLAN:
            return await self._keep_plan(record)
        if run.kind is RunKind.APPLY:
            await self._driver.discard_plan(self._namespace, context.fence)
            context.decide("applied", InfrastructureApplied(record.summary))
        return await self._record(replace(record, finished=True, failures=0, failed_at=None))

    async def _keep_plan(self, record: InfrastructureRecord) -> InfrastructureRecord:
        plan = await self._driver.saved_plan(self._namespace)
        await self._driver.keep_plan(self._namespace, self._key, plan, self._context.fence)
        self._context.decide("planned", InfrastructurePlanned(plan.summary))
        digest = approvable_digest(plan.digest, record.module)
        return await self._record(replace(record, finished=True, plan=digest, summary=plan.summary))

    async def _input(self, view: InfrastructureView) -> str | Failed:
        """Digest of the inputs, which are written once for each attempt."""
        context = self._context
        digest = context.attempt.applied.get(_INPUT)
        if digest is not None and view.namespace is NamespaceState.OURS:
            return digest
        request = await self._request()
        if isinstance(request, Failed):
            return request
        refreshes, key = context.overrides.refreshes, context.policy.digest_key
        digest = request_digest(request, self._driver.image, refreshes, key)
        repository = context.environment.repository
        await self._driver.prepare(self._namespace, self._key, repository, request, context.fence)
        context.mark_applied(_INPUT, digest)
        if view.record.drifted:
            context.mark_applied(_DRIFTED, view.record.run.name)
        return digest

    async def _module(self) -> FoundModule | Failed:
        context, repository = self._context, self._context.environment.repository
        own, source = FoundModule(repository, context.commit), self._settings.terraform
        elsewhere = source is not None and source.repository is not None
        if context.is_preview and not elsewhere and not self._driver.runs_pull_request_module(repository):
            reader = context.ports.commits
            head = await reader.head(repository) if reader is not None else None
            if head is None:
                return Failed(PlainInfrastructureReason.NO_DEFAULT_BRANCH, final=False)
            own = FoundModule(repository, head.sha)
        target = context.overrides.target
        planned = target.module if target is not None else None
        return await find_module(context.ports, self._settings, own, planned)

    async def _request(self) -> InfrastructureRequest | Failed:
        context, module = self._context, await self._module()
        if isinstance(module, Failed):
            return module
        context.update_attempt(replace(context.attempt, module=module.pinned))
        repository, host = context.environment.repository, context.hosts.own
        number = self._key.name if context.is_preview else ""
        url = context.gateway.url(host)
        place = Place(self._key, repository, context.commit, host, url, number)
        key = context.policy.digest_key
        request = await read_request(context.ports, self._settings, place, module, key)
        if isinstance(request, InfrastructureRequest):
            context.secrets = context.secrets.conceal(request.secret_values)
        return request

    async def _after_plan(self, record: InfrastructureRecord) -> Outcome:
        summary, context = record.summary, self._context
        planned = PlannedChange(record.plan, summary, needs_approval=True, module=record.module)
        if summary.is_empty:
            await self._driver.discard_plan(self._namespace, context.fence)
            record = replace(record, run=Run(RunKind.APPLY, record.run.number))
            await self._record(record)
            self._show_applied(record)
            return use_outputs(context, self._settings, await self._observe()) or Done()
        policy = self._settings.destroy
        if summary.destructive and policy is DestroyPolicy.REFUSE:
            return Failed(PlanRefused(summary), final=True)
        target = context.overrides.target
        approved = target.plan if target is not None else ""
        needed = summary.destructive and policy is DestroyPolicy.APPROVE
        # An approval of another plan does not count, whatever this one does.
        if (
            (needed or approved)
            and approved != planned.digest
            and context.overrides.approved_plan != planned.id
        ):
            return self._await_approval(planned, changed=bool(approved))
        if context.attempt.plan is not None:
            context.update_attempt(replace(context.attempt, plan=None))
        return await self._start(record, RunKind.APPLY)

    def _show_applied(self, record: InfrastructureRecord) -> None:
        applied = AppliedPlan(record.summary, record.module)
        self._context.update_attempt(replace(self._context.attempt, applied_plan=applied))
        self._context.add_note(InfrastructureApplied(record.summary))

    def _await_approval(self, planned: PlannedChange, *, changed: bool) -> Waiting:
        context = self._context
        context.update_attempt(replace(context.attempt, plan=planned))
        reason = PlanNeedsApproval(self._key, planned.id, planned.summary, changed)
        return context.wait(Phase.INFRASTRUCTURE, reason, extra=_APPROVAL_TIME, blocked=True)

    async def _start(self, record: InfrastructureRecord, kind: RunKind) -> Outcome:
        """Records the run first: after a crash in between, the next run of the phase creates its Job."""
        run = Run(kind, record.run.number + 1)
        await self._record(replace(record, run=run, finished=False))
        self._context.mark_applied(_STARTED, run.name)
        await self._context.save()  # otherwise a failure would look like one of an earlier attempt
        await self._create(run)
        return self._wait(InfrastructureRunning(kind, "it is starting"))

    async def _create(self, run: Run) -> None:
        repository = self._context.environment.repository
        await self._driver.start(self._namespace, self._key, repository, run, self._context.fence)

    async def _record(self, record: InfrastructureRecord) -> InfrastructureRecord:
        await self._driver.record(self._namespace, self._key, record, self._context.fence)
        return record

    def _wait(
        self, reason: InfrastructureRunning | PlainInfrastructureReason, *, blocked: bool = False
    ) -> Waiting:
        """At least until the deadlines of the Jobs, whose failures are more precise."""
        return self._context.wait(
            Phase.INFRASTRUCTURE,
            reason,
            shortest=REPORT_BLOCKED_AFTER,
            extra=_RUN_TIMEOUT,
            blocked=blocked,
        )
