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
from bot.environments.secrets import Injection
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
class _Rendered:
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
    def of(cls, run: ReconcileContext) -> _Rendered:
        configuration, target = run.attempt.configuration or "", run.environment.overrides.target
        serial = target.serial if target is not None else 0
        return cls(
            run.environment.key,
            run.commit,
            configuration,
            run.secrets.digest,
            run.resets,
            run.environment.overrides.refreshes,
            run.asleep,
            serial,
        )


class PhaseRunner:
    """Takes an environment through its phases, as far as it comes. Keeps what was rendered."""

    def __init__(self) -> None:
        self._bundles: OrderedDict[_Rendered, Bundle] = OrderedDict()

    async def __call__(self, run: ReconcileContext) -> datetime | None:
        if run.environment.admission is Admission.QUEUED and not await request_slot(run):
            return None
        for phase, step in PHASES.items():
            if phase is Phase.NAMESPACE and not await request_slot(run):
                return None
            outcome = await self._step(run, phase, step)
            if isinstance(outcome, Waiting):
                return await self._wait(run, phase, outcome)
            if isinstance(outcome, Failed):
                return await self.fail(run, outcome)
            await run.finish(phase)
            if phase is Phase.RENDER and run.bundle is not None:
                self._keep(_Rendered.of(run), run.bundle)
        await (self._asleep(run) if run.asleep else self._ready(run))
        return None

    async def _step(self, run: ReconcileContext, phase: Phase, step: Step) -> Outcome:
        """One phase, whatever its peers say; without secrets in it."""
        run.begin(phase)
        if phase is Phase.RENDER:
            run.bundle = self._bundles.get(_Rendered.of(run))
        try:
            outcome = await step(run)
        except Rejected as error:
            outcome = Failed(str(error), True, error.detail)
        except Unavailable as error:
            outcome = self._unreachable(run, phase, error)
        outcome = _without_secrets(outcome, run.secrets)
        if isinstance(outcome, Waiting) and run.ports.clock() >= outcome.until:
            return Failed(f"Gave up. {outcome.what}", True, outcome.detail)
        return outcome

    def _unreachable(self, run: ReconcileContext, phase: Phase, error: Unavailable) -> Outcome:
        """A peer's outage is a wait; when it lasts it is told as a failure and still tried again."""
        now = run.ports.clock()
        started = run.waits_since(phase)
        if now >= started + rollout.LIMITS.get(phase, preparation.ARTIFACT_LIMIT):
            return Failed(str(error), final=False)
        pause = min(max((now - started) / 4, timedelta(seconds=1)), timedelta(minutes=1))
        return Waiting(str(error), error.retry_at or now + pause, until=datetime.max.replace(tzinfo=UTC))

    async def _ready(self, run: ReconcileContext) -> None:
        fresh = run.status.state is not EnvironmentState.READY
        if fresh and run.environment.key.kind is EnvironmentKind.PREVIEW:
            await _keep_release(run)
        run.set(state=EnvironmentState.READY, phase=None, cause=None, live_commit=run.status.commit)
        run.remember(unsteady_since=None, wait=None)
        where = f"answers at {run.status.url}" if run.status.url else "runs; it has no route"
        await run.save(*([("ready", f"{run.commit[:7]} {where}")] * fresh))
        await run.report()

    async def _asleep(self, run: ReconcileContext) -> None:
        fresh = run.status.state is not EnvironmentState.ASLEEP
        run.set(state=EnvironmentState.ASLEEP, phase=None, cause=asleep(run))
        run.remember(unsteady_since=None, wait=None)
        await run.save(*([("asleep", asleep(run).summary)] * fresh))
        await run.report()

    async def _wait(self, run: ReconcileContext, phase: Phase, outcome: Waiting) -> datetime:
        now = run.ports.clock()
        until = outcome.until if outcome.until.year < datetime.max.year else None
        wait, since = StatusMessage(outcome.what, outcome.detail, until), run.waits_since(phase)
        unsteady = run.status.phases[phase].finished_at is not None
        run.remember(wait=wait, unsteady_since=since if unsteady else None)
        steady = run.status.state in (EnvironmentState.READY, EnvironmentState.ASLEEP)
        if steady and now - since < rollout.LIMITS.get(phase, _SLOW):
            await run.save()
            return min(outcome.check_again, now + _STEADY_AGAIN)
        slow = now - since >= _SLOW
        if phase is Phase.ARTIFACT or slow:
            news = _is_news(run.status, EnvironmentState.WAITING, wait)
            run.set(state=EnvironmentState.WAITING, cause=wait)
            await run.save(*([("waiting", outcome.what)] * news))
            await run.report()
            return outcome.check_again
        await run.save()
        return min(outcome.check_again, since + _SLOW)

    async def fail(self, run: ReconcileContext, failed: Failed) -> datetime | None:
        cause = StatusMessage(failed.why, failed.detail)
        news = _is_news(run.status, EnvironmentState.FAILED, cause)
        why = failed.why
        if run.configuration is None:  # its detail is line and field, not somebody's log
            news, why = news or run.status.cause != cause, f"{failed.why} {failed.detail}"
        if not news and run.status.cause is not None:
            cause = run.status.cause  # what crashes over and over is told once, not with each restart
        run.set(state=EnvironmentState.FAILED, commit=run.commit, cause=cause, end=None)
        if run.configuration is None:
            run.set(phase=None)  # before all of them
        run.remember(wait=None)
        await run.save(*([("failed", why)] * news))
        await run.report()
        if run.configuration is None:
            return run.ports.clock() + _CONFIGURATION_AGAIN
        return None if failed.final else run.ports.clock() + _OUTAGE_AGAIN

    def _keep(self, key: _Rendered, bundle: Bundle) -> None:
        self._bundles[key] = bundle
        self._bundles.move_to_end(key)
        while len(self._bundles) > _BUNDLES:
            self._bundles.popitem(last=False)


def asleep(run: ReconcileContext) -> StatusMessage:
    return StatusMessage(
        f"`{run.environment.overrides.asleep_by}` put it to sleep: nothing runs, and the data stays."
    )


async def _keep_release(run: ReconcileContext) -> None:
    """What reviewers see from now on is what can be promoted."""
    assert run.bundle is not None, "the render phase runs first"
    pull, repository = run.pull, run.environment.repository
    release = PromotableRelease(
        repository_id=repository.id,
        commit=run.commit,
        images=run.attempt.images,
        manifests_digest=run.bundle.manifests_digest,
        origin=Origin.PREVIEW,
        number=pull.number,
        from_fork=pull.from_fork,
        made_at=run.ports.clock(),
    )
    await run.ports.promotions.keep(release)


def _without_secrets(outcome: Outcome, secrets: Injection) -> Outcome:
    """Logs and answers are quoted in it, and a program may tell there what it was given."""
    if isinstance(outcome, Waiting):
        return replace(outcome, what=secrets.hide(outcome.what), detail=secrets.hide(outcome.detail))
    if isinstance(outcome, Failed):
        return replace(outcome, why=secrets.hide(outcome.why), detail=secrets.hide(outcome.detail))
    return outcome


def _is_news(status: Status, state: EnvironmentState, cause: StatusMessage) -> bool:
    """Whether it was not told in these words before: a counter that moved on, or a log's tail, is no news."""
    before = status.cause.summary if status.cause is not None else None
    return status.state is not state or before is None or _worded(before) != _worded(cause.summary)


def _worded(summary: str) -> str:
    return re.sub(r"\d+", "#", summary)
