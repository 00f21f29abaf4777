"""Checks phase: HTTP requests through the gateway, and Jobs in the namespace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from bot.config.fields import Check, HttpCheck, JobCheck
from bot.environments.context import ReconcileContext
from bot.environments.images import unexpected_image
from bot.environments.outcome import Done, Outcome
from bot.environments.phases.services import wait_for_services
from bot.environments.progress import report_if_due
from bot.environments.reasons import CheckCompleted, CheckFailed, ChecksRunning, HttpResult, UnknownRoute
from bot.environments.side_by_side import first_answer
from bot.environments.waiting import WATCHED
from bot.model.environment import CheckResult, CheckState, Phase
from bot.model.manifest import Answer, Condition, Wave

_HTTP_ATTEMPTS = 3
_BETWEEN_ATTEMPTS = timedelta(seconds=1)
_SILENCE_SECONDS = 1.0
"""After which a second request starts: a pod that ended may hold up the first one."""


async def checks(context: ReconcileContext) -> Outcome:
    """Runs all checks concurrently. A failed check is reported; the environment stays."""
    if not isinstance(images := await _verify_images(context), Done):
        return images
    configured = context.section.checks
    if not configured or context.asleep:
        return Done()
    if not isinstance(services := await _wait_for_services(context), Done):
        return services
    previous = context.status.checks
    results = [await _result(context, check) for check in configured]
    titles = {check.title for check in configured}
    others = [result for result in previous if result.name not in titles]
    context.update_status(replace(context.status, checks=(*others, *results)))
    changed = context.status.checks != previous
    _record_failures(context, previous)
    pending = [check for check, result in zip(configured, results, strict=True) if not _is_finished(result)]
    return await _wait(context, pending, changed=changed) if pending else Done()


async def _verify_images(context: ReconcileContext) -> Outcome:
    """An environment is ready, and a stage verified, only while its pods run exactly the release's images."""
    unexpected = await unexpected_image(context)
    return context.wait(Phase.CHECKS, unexpected, pause=_BETWEEN_ATTEMPTS) if unexpected else Done()


async def _wait_for_services(context: ReconcileContext) -> Outcome:
    """Before the first Job of a check starts."""
    jobs = {check.title for check in context.section.checks if check.job}
    open_jobs = jobs - {result.name for result in context.status.checks if _is_finished(result)}
    if all(_applied_name(title) in context.attempt.applied for title in open_jobs):
        return Done()
    return await wait_for_services(context, Phase.CHECKS, Wave.DATA, Wave.WORKLOADS)


def _applied_name(title: str) -> str:
    return f"check/{title}"


async def _result(context: ReconcileContext, check: Check) -> CheckResult:
    stored = next((result for result in context.status.checks if result.name == check.title), None)
    if stored is not None and _is_finished(stored):
        return stored
    match check.kind:
        case HttpCheck(path, route):
            return await _request(context, check.title, path, route)
        case JobCheck():
            return await _run_job(context, check.title)
        case unknown:
            assert_never(unknown)


async def _request(context: ReconcileContext, title: str, path: str, route: str) -> CheckResult:
    host = _host(context, route)
    if host is None:
        summary = context.describe(UnknownRoute(route, tuple(_names(context))))
        return CheckResult(title, CheckState.FAILED, summary)
    attempts = context.attempt.check_attempts.get(title, 0) + 1
    counts = {**context.attempt.check_attempts, title: attempts}
    context.update_attempt(replace(context.attempt, check_attempts=counts))
    started = context.ports.clock()
    answer = await first_answer(
        lambda: context.gateway.get(host, path, headers=context.candidate_headers),
        _has_passed,
        requests=2,
        stagger=_SILENCE_SECONDS,
    )
    seconds = (context.ports.clock() - started).total_seconds()
    summary = context.describe(HttpResult(path, answer.status, answer.error, attempts))
    if _has_passed(answer):
        return CheckResult(title, CheckState.PASSED, summary, seconds=seconds)
    state = CheckState.FAILED if attempts >= _HTTP_ATTEMPTS else CheckState.RUNNING
    return CheckResult(title, state, summary, answer.body, seconds)


def _has_passed(answer: Answer) -> bool:
    return answer.status is not None and 200 <= answer.status < 400


def _host(context: ReconcileContext, route: str) -> str | None:
    """The host of a route, or the environment's own; None for a route that the manifests do not have."""
    if not route:
        return context.hosts.own
    return next((address.host for address in context.rendered.addresses if address.name == route), None)


def _names(context: ReconcileContext) -> list[str]:
    return [address.name for address in context.rendered.addresses]


async def _run_job(context: ReconcileContext, title: str) -> CheckResult:
    job = context.rendered.checks[title]
    name, applied = str(job["metadata"]["name"]), _applied_name(title)
    if context.attempt.applied.get(applied) != name:
        await context.ports.workloads.apply(context.namespace, [job], context.fence)
        context.mark_applied(applied, name)
    [state] = await context.ports.health.observe(context.namespace, [job])
    started = context.status.phases[Phase.CHECKS].started_at
    seconds = (context.ports.clock() - started).total_seconds()
    if state.condition is Condition.FAILED:
        tried = f"{state.message}; {state.attempts} attempts" if state.attempts > 1 else state.message
        return CheckResult(title, CheckState.FAILED, tried, state.detail, seconds)
    if state.condition is Condition.READY:
        summary = context.describe(CheckCompleted(state.attempts))
        return CheckResult(title, CheckState.PASSED, summary, state.detail, seconds)
    return CheckResult(title, CheckState.RUNNING)


async def _wait(context: ReconcileContext, pending: Sequence[Check], *, changed: bool) -> Outcome:
    if changed:
        context.mark_report_due()
    deferred_until = await report_if_due(context)
    jobs = [check.job.timeout for check in context.section.checks if check.job]
    only_jobs = all(check.job is not None for check in pending)
    outcome = context.wait(
        Phase.CHECKS,
        ChecksRunning(tuple(check.title for check in pending)),
        pause=WATCHED if only_jobs else _BETWEEN_ATTEMPTS,
        extra=max(jobs, default=timedelta()),
    )
    again = outcome.check_again
    return replace(outcome, check_again=min(again, deferred_until or again))


def _is_finished(result: CheckResult) -> bool:
    return result.state in (CheckState.PASSED, CheckState.FAILED)


def _record_failures(context: ReconcileContext, previous: Sequence[CheckResult]) -> None:
    """Records the checks that failed in this run, from the status, which contains no secrets."""
    finished = {result.name for result in previous if _is_finished(result)}
    for result in context.status.checks:
        if result.state is CheckState.FAILED and result.name not in finished:
            context.decide("failed", CheckFailed(result.name, result.summary))
