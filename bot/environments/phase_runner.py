"""Runs the phases of an environment in order: the same for previews and stages."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import assert_never

from bot.environments import transitions
from bot.environments.admission import request_slot
from bot.environments.context import ReconcileContext
from bot.environments.failure_log import keep_failure
from bot.environments.outcome import Failed, Outcome, Waiting
from bot.environments.phases.artifact import artifact
from bot.environments.phases.candidate import is_running
from bot.environments.phases.checks import checks
from bot.environments.phases.configuration import configuration
from bot.environments.phases.data import data
from bot.environments.phases.infrastructure import infrastructure
from bot.environments.phases.namespace import namespace
from bot.environments.phases.probe import probe
from bot.environments.phases.render import render
from bot.environments.phases.rollout import return_traffic, rollout
from bot.environments.phases.route import route
from bot.environments.phases.secrets import revoke_replaced
from bot.environments.phases.workloads import workloads
from bot.environments.progress import report_if_due, report_progress
from bot.environments.reasons import (
    ChecksFailed,
    ImmutableFieldsChanged,
    Serving,
    TimedOut,
)
from bot.environments.waiting import (
    OUTAGE,
    REPORT_AFTER,
    REPORT_BLOCKED_AFTER,
    RETRY_CONFIGURATION,
    RETRY_OUTAGE,
    VERIFY_AGAIN,
    outage_limit,
    policy_of,
)
from bot.model.environment import (
    RUNNING,
    CheckState,
    EnvironmentKey,
    EnvironmentState,
    Phase,
    Status,
    StatusMessage,
)
from bot.model.errors import ImmutableField, Rejected, Unavailable
from bot.model.manifest import Bundle
from bot.model.quota import Admission
from bot.model.reason import Reported
from bot.model.release import CheckedRelease, Origin, PromotableRelease

Step = Callable[[ReconcileContext], Awaitable[Outcome]]

_MAX_BUNDLES = 64
_RETRY_WITHDRAWAL = timedelta(seconds=1)
_STEADY = RUNNING | {EnvironmentState.ASLEEP}


def step_of(phase: Phase) -> Step:  # noqa: C901 - one case for each phase
    """The function that runs a phase. A phase without one is a type error."""
    match phase:
        case Phase.CONFIGURATION:
            return configuration
        case Phase.ARTIFACT:
            return artifact
        case Phase.INFRASTRUCTURE:
            return infrastructure
        case Phase.RENDER:
            return render
        case Phase.NAMESPACE:
            return namespace
        case Phase.DATA:
            return data
        case Phase.WORKLOADS:
            return workloads
        case Phase.ROUTE:
            return route
        case Phase.PROBE:
            return probe
        case Phase.CHECKS:
            return checks
        case Phase.ROLLOUT:
            return rollout
        case unknown:
            assert_never(unknown)


@dataclass(frozen=True, slots=True)
class RenderInputs:
    """All that determines a bundle: nothing is rendered again while it is the same."""

    environment: EnvironmentKey
    cluster: str
    commit: str
    configuration: str
    secrets: str
    external: str
    resets: str
    refreshes: int
    asleep: bool
    serial: int

    @classmethod
    def of(cls, context: ReconcileContext) -> RenderInputs:
        target = context.overrides.target
        return cls(
            context.environment.key,
            context.environment.cluster,
            context.commit,
            context.attempt.configuration or "",
            context.secrets.digest,
            context.secrets.external_digest,
            context.reset_token,
            context.overrides.refreshes,
            context.asleep,
            target.serial if target is not None else 0,
        )


class PhaseRunner:
    """Runs phases until one waits or fails; caches rendered bundles.

    What a finished phase wrote is not written again while its inputs are the same, which `Attempt` records.
    Its objects are read again in each run: that is how a crashed pod or a deleted namespace is noticed.
    """

    def __init__(self) -> None:
        self._bundles: OrderedDict[RenderInputs, Bundle] = OrderedDict()

    async def __call__(self, context: ReconcileContext) -> datetime | None:
        """Returns when to run again unless woken before; None when settled."""
        if context.environment.admission is Admission.QUEUED and not await request_slot(context):
            return None
        for phase in Phase:
            if phase is Phase.INFRASTRUCTURE and not _has_infrastructure(context):
                continue
            if phase is Phase.INFRASTRUCTURE:  # it is prepared as far as is possible without a slot
                started = transitions.phase_started(context.status, phase, context.ports.clock())
                context.update_status(started)
            if phase in (Phase.INFRASTRUCTURE, Phase.NAMESPACE) and not await request_slot(context):
                return None
            if phase is Phase.RENDER and phase not in context.status.phases:
                await report_if_due(context)  # the attempt no longer waits for GitHub or CI
            outcome = await self._run(context, phase, step_of(phase))
            if isinstance(outcome, Waiting):
                return await self._wait(context, phase, outcome)
            if isinstance(outcome, Failed):
                return await self.fail(context, outcome)
            if phase is Phase.RENDER and context.bundle is not None:
                self._remember(RenderInputs.of(context), context.bundle)
            context.finish_phase(phase)
        await revoke_replaced(context)
        await (self._asleep(context) if context.asleep else self._ready(context))
        return context.late.next_look

    async def fail(self, context: ReconcileContext, failed: Failed) -> datetime | None:
        """Without a loaded configuration the failure is before all phases; its detail is line and field."""
        if is_running(context.attempt.rollout):
            # Before the failure is saved, so that its promotion sees where the traffic is.
            try:
                await return_traffic(context, failed.reason)
            except Unavailable as error:
                return error.retry_at or context.ports.clock() + _RETRY_WITHDRAWAL
            except Rejected as error:  # its promotion rolls back, which applies the routes of the release
                failed = replace(failed, detail=f"{failed.detail}\n{error}".strip())
        unconfigured = context.configuration is None
        cause = replace(context.message(failed.reason, failed.detail), retried=not failed.final)
        changed = _differs(context.status, EnvironmentState.FAILED, cause)
        if changed:
            await keep_failure(context)
        if changed or (unconfigured and context.status.cause != cause):
            context.decide("failed", failed.reason, failed.detail if unconfigured else "")
        elif context.status.cause is not None:
            # a crash loop is reported once, not with each restart
            cause = replace(context.status.cause, retried=not failed.final)
        status = transitions.failed(context.status, context.commit, cause, context.ports.clock())
        context.update_status(replace(status, phase=None) if unconfigured else status)
        context.update_attempt(replace(context.attempt, wait=None))
        await context.report()
        if unconfigured:
            return context.ports.clock() + RETRY_CONFIGURATION
        return failed.check_again if failed.final else context.ports.clock() + RETRY_OUTAGE

    async def _run(self, context: ReconcileContext, phase: Phase, step: Step) -> Outcome:
        started = transitions.phase_started(context.status, phase, context.ports.clock())
        context.update_status(started)
        if phase is Phase.RENDER:
            context.bundle = self._bundles.get(RenderInputs.of(context))
        try:
            outcome = await step(context)
        except ImmutableField as error:
            reason = ImmutableFieldsChanged(error.kind, error.name, error.fields, context.environment.key)
            outcome = Failed(reason, True)
        except Rejected as error:
            outcome = Failed(Reported(str(error)), True, error.detail)
        except Unavailable as error:
            outcome = _unavailable(context, phase, error)
        if isinstance(outcome, Waiting) and context.ports.clock() >= outcome.until:
            return Failed(TimedOut(outcome.reason), True, outcome.detail)
        return outcome

    async def _ready(self, context: ReconcileContext) -> None:
        before = context.status.state
        failed = tuple(check.name for check in context.status.failed_checks)
        cause = context.message(ChecksFailed(failed)) if failed else None
        context.update_status(transitions.running(context.status, cause))
        context.update_attempt(transitions.settled(context.attempt))
        if context.is_preview and context.status.state is not before:
            _keep_release(context)
        if failed and before is not context.status.state:
            await keep_failure(context)
        if before not in RUNNING:
            action = context.status.state.value
            context.decide(
                action, ChecksFailed(failed) if failed else Serving(context.commit, context.status.url)
            )
        await context.report()

    async def _asleep(self, context: ReconcileContext) -> None:
        addresses = context.rendered.addresses
        context.fall_asleep(context.gateway.url(addresses[0].host) if addresses else None)
        context.update_attempt(transitions.settled(context.attempt))
        await context.report()

    async def _wait(self, context: ReconcileContext, phase: Phase, outcome: Waiting) -> datetime:
        now, since, policy = context.ports.clock(), context.waiting_since(phase), policy_of(phase)
        until = outcome.until if outcome.until.year < datetime.max.year else None
        cause = context.message(outcome.reason, outcome.detail, until)
        unstable = context.status.phases[phase].finished_at is not None
        context.update_attempt(
            replace(context.attempt, wait=cause, unstable_since=since if unstable else None)
        )
        if context.status.state in _STEADY and now - since < policy.tolerated:
            return min(outcome.check_again, now + VERIFY_AGAIN)
        report_at = since + (REPORT_BLOCKED_AFTER if outcome.blocked else REPORT_AFTER)
        if phase is not Phase.ARTIFACT and now < report_at:
            again = min(outcome.check_again, report_at)
            return min(again, await report_if_due(context) or again)
        if _differs(context.status, EnvironmentState.WAITING, cause):
            context.decide("waiting", outcome.reason)
        context.update_status(transitions.waiting(context.status, cause))
        return min(outcome.check_again, await report_progress(context) or outcome.check_again)

    def _remember(self, key: RenderInputs, bundle: Bundle) -> None:
        self._bundles[key] = bundle
        self._bundles.move_to_end(key)
        while len(self._bundles) > _MAX_BUNDLES:
            self._bundles.popitem(last=False)


def _has_infrastructure(context: ReconcileContext) -> bool:
    return context.loaded_configuration.infrastructure_of(context.environment.key) is not None


def _unavailable(context: ReconcileContext, phase: Phase, error: Unavailable) -> Outcome:
    """Treats an outage as a wait, and a long one as a failure that is still retried."""
    now, since = context.ports.clock(), context.waiting_since(phase)
    if now >= since + outage_limit(phase, context.environment.key.kind):
        return Failed(Reported(str(error)), final=False)
    again = error.retry_at or now + OUTAGE.pause(now - since)
    return Waiting(Reported(str(error)), again, until=datetime.max.replace(tzinfo=UTC))


def _keep_release(context: ReconcileContext) -> None:
    """What reviewers see from now on can be promoted."""
    pull = context.pull_request
    release = PromotableRelease(
        repository_id=context.environment.repository.id,
        commit=context.commit,
        images=context.attempt.images,
        manifests_digest=context.rendered.manifests_digest,
        origin=Origin.PREVIEW,
        number=pull.number,
        from_fork=pull.from_fork,
        made_at=context.ports.clock(),
    )
    checks = {check.name: check.state is CheckState.PASSED for check in context.status.checks}
    context.release = CheckedRelease(release, checks)


def _differs(status: Status, state: EnvironmentState, cause: StatusMessage) -> bool:
    """Whether state or sentence changed; numbers and log tails are ignored."""
    before = status.cause.summary if status.cause is not None else None
    return (
        status.state is not state
        or before is None
        or _without_numbers(before) != _without_numbers(cause.summary)
    )


def _without_numbers(summary: str) -> str:
    return re.sub(r"\d+", "#", summary)
