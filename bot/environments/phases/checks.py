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


async def checks(run: ReconcileContext) -> Outcome:
    """Runs all of them side by side. A failing one is told; it does not take the preview away."""
    if not isinstance(same := await _same_images(run), Done):
        return same
    wanted = run.own.checks
    if not wanted or run.asleep:
        return Done()
    titles = {check.title for check in wanted}
    others = [result for result in run.status.checks if result.name not in titles]
    before = {result.name: result for result in run.status.checks if result.name in titles}
    results = []
    for check in wanted:
        known = before.get(check.title, CheckResult(check.title, CheckState.RUNNING))
        results.append(known if _ended(known) else await _look(run, check))
    changed = (*others, *results) != run.status.checks
    ended = {name for name, result in before.items() if _ended(result)}
    run.set(checks=(*others, *results))
    pending = [result for result in results if not _ended(result)]
    if changed:
        await run.save(*_story(run, ended))
    if not pending:
        return Done()
    untold = await run.mention(news=changed)
    now = run.ports.clock()
    started = run.status.phases[Phase.CHECKS].started_at
    longest = max((check.job.timeout for check in wanted if check.job), default=timedelta(0))
    pause = _BETWEEN_TRIES if any(_is_http(result.name, wanted) for result in pending) else _LOOK_AGAIN
    names = ", ".join(result.name for result in pending)
    again = min(now + pause, untold or now + pause)
    return Waiting(f"Waiting for the checks: {names}.", again, started + longest + _GRACE)


async def _same_images(run: ReconcileContext) -> Outcome:
    """A stage is verified only while its pods run the release's very digests, and none other."""
    if run.environment.overrides.target is None:
        return Done()
    wanted = {image.repository: image.digest for image in run.attempt.images.values()}
    for reference in await run.ports.health.running(run.namespace):
        repository, _, digest = reference.partition("@")
        if repository in wanted and digest != wanted[repository]:
            now, since = run.ports.clock(), run.waits_since(Phase.CHECKS)
            return Waiting(f"A pod still runs {reference}.", now + _BETWEEN_TRIES, since + _GRACE)
    return Done()


async def _look(run: ReconcileContext, check: Check) -> CheckResult:
    return await (_http(run, check, check.http) if check.http is not None else _job(run, check))


async def _http(run: ReconcileContext, check: Check, path: str) -> CheckResult:
    tries = run.attempt.tries.get(check.title, 0) + 1
    run.remember(tries={**run.attempt.tries, check.title: tries})
    started = run.ports.clock()
    answer = await run.gateway.get(run.host, path)
    seconds = (run.ports.clock() - started).total_seconds()
    told = answer.error or f"`GET {path}` answered {answer.status}"
    if answer.status is not None and 200 <= answer.status < 400:
        return CheckResult(check.title, CheckState.PASSED, f"{told}.", seconds=seconds)
    state = CheckState.FAILED if tries >= _HTTP_TRIES else CheckState.RUNNING
    return CheckResult(check.title, state, f"{told}; asked {tries} times.", answer.body, seconds)


async def _job(run: ReconcileContext, check: Check) -> CheckResult:
    assert run.bundle is not None, "the render phase runs first"
    job = run.bundle.checks[check.title]
    applied = f"check/{check.title}"
    name = str(job["metadata"]["name"])
    if run.attempt.applied.get(applied) != name:
        await run.ports.workloads.apply(run.namespace, [job], run.fence)
        run.remember(applied={**run.attempt.applied, applied: name})
        await run.save()
    states = await run.ports.health.observe(run.namespace, [job])
    started = run.status.phases[Phase.CHECKS].started_at
    seconds = (run.ports.clock() - started).total_seconds()
    for state in states:
        if state.condition is Condition.FAILED:
            return CheckResult(check.title, CheckState.FAILED, state.message, state.detail, seconds)
        if state.condition is Condition.READY:
            return CheckResult(check.title, CheckState.PASSED, "The Job completed.", state.detail, seconds)
    return CheckResult(check.title, CheckState.RUNNING)


def _ended(result: CheckResult) -> bool:
    return result.state in (CheckState.PASSED, CheckState.FAILED)


def _story(run: ReconcileContext, ended: Collection[str]) -> list[tuple[str, str]]:
    """Those that failed just now; read from the status, where no secrets are."""
    return [
        ("failed", f"The check {result.name} failed: {result.summary}")
        for result in run.status.checks
        if result.state is CheckState.FAILED and result.name not in ended
    ]


def _is_http(name: str, wanted: tuple[Check, ...]) -> bool:
    return any(check.title == name and check.http is not None for check in wanted)
