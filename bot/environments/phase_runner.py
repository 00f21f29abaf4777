"""The phases of an environment, one after another: the same for previews and stages."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.environments.admission import request_slot
from bot.environments.context import ReconcileContext
from bot.environments.phases import checks, data, preparation, rollout
from bot.environments.secrets import InjectedSecrets
from bot.model.environment import (
    EnvironmentKey,
    EnvironmentKind,
    EnvironmentState,
    Phase,
    Status,
    StatusMessage,
)
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import Bundle
from bot.model.outcome import Failed, Outcome, Waiting
from bot.model.quota import Admission
from bot.model.release import Origin, PromotableRelease

Step = Callable[[ReconcileContext], Awaitable[Outcome]]

PHASES: dict[Phase, Step] = {
    Phase.CONFIGURATION: preparation.configuration,
    Phase.ARTIFACT: preparation.artifact,
    Phase.RENDER: preparation.render,
    Phase.NAMESPACE: rollout.namespace,
    Phase.DATA: data.data,
    Phase.WORKLOADS: rollout.workloads,
    Phase.ROUTE: rollout.route,
    Phase.PROBE: rollout.probe,
    Phase.CHECKS: checks.checks,
}

_SLOW = timedelta(seconds=30)
"""A wait for the cluster that lasts longer is told."""
_CONFIGURATION_AGAIN = timedelta(minutes=5)
"""How soon a configuration that was wrong is read again."""
_OUTAGE_AGAIN = timedelta(minutes=1)
_STEADY_AGAIN = timedelta(seconds=30)
_BUNDLES = 64


@dataclass(frozen=True, slots=True)
class _RenderInputs:
    """What a bundle is made of: while it is the same, nothing is rendered again."""

    environment: EnvironmentKey
    commit: str
    configuration: str
    secrets: str
    resets: str
    refreshes: int
    asleep: bool
    serial: int

    @classmethod
    def of(cls, context: ReconcileContext) -> _RenderInputs:
        configuration, target = context.attempt.configuration or "", context.environment.overrides.target
        serial = target.serial if target is not None else 0
        return cls(
            context.environment.key,
            context.commit,
            configuration,
            context.secrets.digest,
            context.reset_token,
            context.environment.overrides.refreshes,
            context.asleep,
            serial,
        )


class PhaseRunner:
    """Takes an environment through its phases, as far as it comes. Keeps what was rendered."""

    def __init__(self) -> None:
        self._bundles: OrderedDict[_RenderInputs, Bundle] = OrderedDict()

    async def __call__(self, context: ReconcileContext) -> datetime | None:
        if context.environment.admission is Admission.QUEUED and not await request_slot(context):
            return None
        for phase, step in PHASES.items():
            if phase is Phase.NAMESPACE and not await request_slot(context):
                return None
            outcome = await self._step(context, phase, step)
            if isinstance(outcome, Waiting):
                return await self._wait(context, phase, outcome)
            if isinstance(outcome, Failed):
                return await self.fail(context, outcome)
            await context.finish_phase(phase)
            if phase is Phase.RENDER and context.bundle is not None:
                self._keep(_RenderInputs.of(context), context.bundle)
        await (self._asleep(context) if context.asleep else self._ready(context))
        return None

    async def _step(self, context: ReconcileContext, phase: Phase, step: Step) -> Outcome:
        """One phase, whatever its peers say; without secrets in it."""
        context.start_phase(phase)
        if phase is Phase.RENDER:
            context.bundle = self._bundles.get(_RenderInputs.of(context))
        try:
            outcome = await step(context)
        except Rejected as error:
            outcome = Failed(str(error), True, error.detail)
        except Unavailable as error:
            outcome = self._unreachable(context, phase, error)
        outcome = _hide_secrets(outcome, context.secrets)
        if isinstance(outcome, Waiting) and context.ports.clock() >= outcome.until:
            return Failed(f"Gave up. {outcome.reason}", True, outcome.detail)
        return outcome

    def _unreachable(self, context: ReconcileContext, phase: Phase, error: Unavailable) -> Outcome:
        """A peer's outage is a wait; when it lasts it is told as a failure and still tried again."""
        now = context.ports.clock()
        started = context.waiting_since(phase)
        if now >= started + rollout.LIMITS.get(phase, preparation.ARTIFACT_LIMIT):
            return Failed(str(error), final=False)
        pause = min(max((now - started) / 4, timedelta(seconds=1)), timedelta(minutes=1))
        return Waiting(str(error), error.retry_at or now + pause, until=datetime.max.replace(tzinfo=UTC))

    async def _ready(self, context: ReconcileContext) -> None:
        fresh = context.status.state is not EnvironmentState.READY
        if fresh and context.environment.key.kind is EnvironmentKind.PREVIEW:
            await _keep_release(context)
        context.set(state=EnvironmentState.READY, phase=None, cause=None, live_commit=context.status.commit)
        context.remember(unstable_since=None, wait=None)
        where = f"answers at {context.status.url}" if context.status.url else "runs; it has no route"
        await context.save(*([("ready", f"{context.commit[:7]} {where}")] * fresh))
        await context.report()

    async def _asleep(self, context: ReconcileContext) -> None:
        fresh = context.status.state is not EnvironmentState.ASLEEP
        context.set(state=EnvironmentState.ASLEEP, phase=None, cause=asleep_message(context))
        context.remember(unstable_since=None, wait=None)
        await context.save(*([("asleep", asleep_message(context).summary)] * fresh))
        await context.report()

    async def _wait(self, context: ReconcileContext, phase: Phase, outcome: Waiting) -> datetime:
        now = context.ports.clock()
        until = outcome.until if outcome.until.year < datetime.max.year else None
        wait, since = StatusMessage(outcome.reason, outcome.detail, until), context.waiting_since(phase)
        unsteady = context.status.phases[phase].finished_at is not None
        context.remember(wait=wait, unstable_since=since if unsteady else None)
        steady = context.status.state in (EnvironmentState.READY, EnvironmentState.ASLEEP)
        if steady and now - since < rollout.LIMITS.get(phase, _SLOW):
            await context.save()
            return min(outcome.check_again, now + _STEADY_AGAIN)
        slow = now - since >= _SLOW
        if phase is Phase.ARTIFACT or slow:
            news = _differs_in_words(context.status, EnvironmentState.WAITING, wait)
            context.set(state=EnvironmentState.WAITING, cause=wait)
            await context.save(*([("waiting", outcome.reason)] * news))
            await context.report()
            return outcome.check_again
        await context.save()
        return min(outcome.check_again, since + _SLOW)

    async def fail(self, context: ReconcileContext, failed: Failed) -> datetime | None:
        cause = StatusMessage(failed.reason, failed.detail)
        news = _differs_in_words(context.status, EnvironmentState.FAILED, cause)
        why = failed.reason
        if context.configuration is None:  # its detail is line and field, not somebody's log
            news, why = news or context.status.cause != cause, f"{failed.reason} {failed.detail}"
        if not news and context.status.cause is not None:
            cause = context.status.cause  # what crashes over and over is told once, not with each restart
        context.set(state=EnvironmentState.FAILED, commit=context.commit, cause=cause, end=None)
        if context.configuration is None:
            context.set(phase=None)  # before all of them
        context.remember(wait=None)
        await context.save(*([("failed", why)] * news))
        await context.report()
        if context.configuration is None:
            return context.ports.clock() + _CONFIGURATION_AGAIN
        return None if failed.final else context.ports.clock() + _OUTAGE_AGAIN

    def _keep(self, key: _RenderInputs, bundle: Bundle) -> None:
        self._bundles[key] = bundle
        self._bundles.move_to_end(key)
        while len(self._bundles) > _BUNDLES:
            self._bundles.popitem(last=False)


def asleep_message(context: ReconcileContext) -> StatusMessage:
    return StatusMessage(
        f"`{context.environment.overrides.asleep_by}` put it to sleep: nothing runs, and the data stays."
    )


async def _keep_release(context: ReconcileContext) -> None:
    """What reviewers see from now on is what can be promoted."""
    assert context.bundle is not None, "the render phase runs first"
    pull, repository = context.pull_request, context.environment.repository
    release = PromotableRelease(
        repository_id=repository.id,
        commit=context.commit,
        images=context.attempt.images,
        manifests_digest=context.bundle.manifests_digest,
        origin=Origin.PREVIEW,
        number=pull.number,
        from_fork=pull.from_fork,
        made_at=context.ports.clock(),
    )
    await context.ports.promotions.keep(release)


def _hide_secrets(outcome: Outcome, secrets: InjectedSecrets) -> Outcome:
    """Logs and answers are quoted in it, and a program may tell there what it was given."""
    if isinstance(outcome, Waiting):
        return replace(outcome, reason=secrets.hide(outcome.reason), detail=secrets.hide(outcome.detail))
    if isinstance(outcome, Failed):
        return replace(outcome, reason=secrets.hide(outcome.reason), detail=secrets.hide(outcome.detail))
    return outcome


def _differs_in_words(status: Status, state: EnvironmentState, cause: StatusMessage) -> bool:
    """Whether it was not told in these words before: a counter that moved on, or a log's tail, is no news."""
    before = status.cause.summary if status.cause is not None else None
    return (
        status.state is not state
        or before is None
        or _without_numbers(before) != _without_numbers(cause.summary)
    )


def _without_numbers(summary: str) -> str:
    return re.sub(r"\d+", "#", summary)
