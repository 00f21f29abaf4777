"""The named checks of an environment: HTTP requests through the gateway, and Jobs in the namespace."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from bot.config.fields import Check
from bot.environments.context import ReconcileContext
from bot.model.environment import CheckResult, CheckState, Phase
from bot.model.manifest import Condition
from bot.model.outcome import Done, Outcome, Waiting

_HTTP_TRIES = 3
_BETWEEN_TRIES = timedelta(seconds=1)
_LOOK_AGAIN = timedelta(seconds=15)
_GRACE = timedelta(minutes=2)
"""A Job's own deadline ends it; this is how much later its verdict may reach us."""


async def checks(context: ReconcileContext) -> Outcome:
    """Runs all of them side by side. A failing one is told; it does not take the preview away."""
    if not isinstance(same := await _same_images(context), Done):
        return same
    wanted = context.section.checks
    if not wanted or context.asleep:
        return Done()
    titles = {check.title for check in wanted}
    others = [result for result in context.status.checks if result.name not in titles]
    before = {result.name: result for result in context.status.checks if result.name in titles}
    results = []
    for check in wanted:
        known = before.get(check.title, CheckResult(check.title, CheckState.RUNNING))
        results.append(known if _is_finished(known) else await _run_check(context, check))
    changed = (*others, *results) != context.status.checks
    ended = {name for name, result in before.items() if _is_finished(result)}
    context.set(checks=(*others, *results))
    pending = [result for result in results if not _is_finished(result)]
    if changed:
        await context.save(*_failures(context, ended))
    if not pending:
        return Done()
    untold = await context.report_progress(news=changed)
    now = context.ports.clock()
    started = context.status.phases[Phase.CHECKS].started_at
    longest = max((check.job.timeout for check in wanted if check.job), default=timedelta(0))
    pause = _BETWEEN_TRIES if any(_is_http(result.name, wanted) for result in pending) else _LOOK_AGAIN
    names = ", ".join(result.name for result in pending)
    again = min(now + pause, untold or now + pause)
    return Waiting(f"Waiting for the checks: {names}.", again, started + longest + _GRACE)


async def _same_images(context: ReconcileContext) -> Outcome:
    """A stage is verified only while its pods run the release's very digests, and none other."""
    if context.environment.overrides.target is None:
        return Done()
    wanted = {image.repository: image.digest for image in context.attempt.images.values()}
    for reference in await context.ports.health.running(context.namespace):
        repository, _, digest = reference.partition("@")
        if repository in wanted and digest != wanted[repository]:
            now, since = context.ports.clock(), context.waiting_since(Phase.CHECKS)
            return Waiting(f"A pod still runs {reference}.", now + _BETWEEN_TRIES, since + _GRACE)
    return Done()


async def _run_check(context: ReconcileContext, check: Check) -> CheckResult:
    return await (_http(context, check, check.http) if check.http is not None else _job(context, check))


async def _http(context: ReconcileContext, check: Check, path: str) -> CheckResult:
    tries = context.attempt.check_attempts.get(check.title, 0) + 1
    context.remember(check_attempts={**context.attempt.check_attempts, check.title: tries})
    started = context.ports.clock()
    answer = await context.gateway.get(context.host, path)
    seconds = (context.ports.clock() - started).total_seconds()
    told = answer.error or f"`GET {path}` answered {answer.status}"
    if answer.status is not None and 200 <= answer.status < 400:
        return CheckResult(check.title, CheckState.PASSED, f"{told}.", seconds=seconds)
    state = CheckState.FAILED if tries >= _HTTP_TRIES else CheckState.RUNNING
    return CheckResult(check.title, state, f"{told}; asked {tries} times.", answer.body, seconds)


async def _job(context: ReconcileContext, check: Check) -> CheckResult:
    assert context.bundle is not None, "the render phase runs first"
    job = context.bundle.checks[check.title]
    applied = f"check/{check.title}"
    name = str(job["metadata"]["name"])
    if context.attempt.applied.get(applied) != name:
        await context.ports.workloads.apply(context.namespace, [job], context.fence)
        context.remember(applied={**context.attempt.applied, applied: name})
        await context.save()
    states = await context.ports.health.observe(context.namespace, [job])
    started = context.status.phases[Phase.CHECKS].started_at
    seconds = (context.ports.clock() - started).total_seconds()
    for state in states:
        if state.condition is Condition.FAILED:
            return CheckResult(check.title, CheckState.FAILED, state.message, state.detail, seconds)
        if state.condition is Condition.READY:
            return CheckResult(check.title, CheckState.PASSED, "The Job completed.", state.detail, seconds)
    return CheckResult(check.title, CheckState.RUNNING)


def _is_finished(result: CheckResult) -> bool:
    return result.state in (CheckState.PASSED, CheckState.FAILED)


def _failures(context: ReconcileContext, ended: Collection[str]) -> list[tuple[str, str]]:
    """Those that failed just now; read from the status, where no secrets are."""
    return [
        ("failed", f"The check {result.name} failed: {result.summary}")
        for result in context.status.checks
        if result.state is CheckState.FAILED and result.name not in ended
    ]


def _is_http(name: str, wanted: tuple[Check, ...]) -> bool:
    return any(check.title == name and check.http is not None for check in wanted)
