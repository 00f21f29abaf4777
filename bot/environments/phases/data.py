"""Data phase: databases, then migrations, then the seed, all before any workload starts.

What was done to the data is recorded in the namespace, where it survives the loss of the store.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.config.schema import MIGRATIONS, OnPush
from bot.environments import transitions
from bot.environments.context import ReconcileContext
from bot.environments.data_reasons import (
    DeletingData,
    JobFailed,
    JobWaiting,
    MigrationsPassed,
    NewDataImpossible,
    Seeded,
)
from bot.environments.images import missing_images
from bot.environments.outcome import Done, Failed, Outcome, Waiting
from bot.environments.phases.hooks import run_pre_hooks
from bot.environments.phases.namespace import GUARD_RAILS, SECRETS
from bot.environments.phases.services import wait_for_services
from bot.environments.phases.wave import apply, observe
from bot.environments.progress import report_progress
from bot.environments.reasons import EnvironmentReason, PlainReason
from bot.model.data import DataRecord, JobRecord
from bot.model.environment import CheckResult, CheckState, EnvironmentKind, Phase
from bot.model.errors import Rejected
from bot.model.manifest import Condition, Manifest, ObjectState, Wave

_KEPT_BY_RESET = (GUARD_RAILS, SECRETS, Wave.CONFIGURATION)


async def data(context: ReconcileContext) -> Outcome:
    record = await _current_record(context)
    if isinstance(record, Waiting):
        return record
    if record.resetting:
        environment = context.environment
        remaining = await context.ports.data.reset_data(context.namespace, environment.key, context.fence)
        if remaining:
            return _wait(context, DeletingData(tuple(remaining)))
        record = await _write(context, record.after_reset(context.overrides.reseeds, context.commit))
    await apply(context, Wave.DATA)
    outcome = await observe(context, Phase.DATA, Wave.DATA)
    if context.asleep:
        return outcome
    if isinstance(outcome, Done) and context.status.phases[Phase.DATA].finished_at is None:
        outcome = await wait_for_services(context, Phase.DATA, Wave.DATA)
    if isinstance(outcome, Done):
        record, outcome = await run_pre_hooks(context, record)
    if isinstance(outcome, Done):
        record, outcome = await _migrate(context, record)
    return await _seed(context, record) if isinstance(outcome, Done) else outcome


def reset_reason(record: DataRecord, reseeds: int, on_push: OnPush, commit: str) -> PlainReason | None:
    """The reason to reset the data; None when they may stay."""
    if reseeds > record.reseeds:
        return PlainReason.DATA_RESET_BY_COMMAND
    if on_push is OnPush.RESET and record.commit != commit:
        return PlainReason.DATA_RESET_BY_PUSH
    return None


async def _current_record(context: ReconcileContext) -> DataRecord | Waiting:
    """The record of the data; starts a reset where the data may not stay and new data can be made."""
    reseeds, commit = context.overrides.reseeds, context.commit
    record = await context.ports.data.data(context.namespace, context.environment.key)
    if record is None:
        return await _write(context, DataRecord(reseeds, commit))
    if record.resetting:
        _clear_steps(context)
        return record
    reason = reset_reason(record, reseeds, context.data_settings.on_push, commit)
    if reason is not None:
        waiting = await _rehearse(context, record)
        if waiting is not None:
            return waiting
        await _report_reset(context, reason)
        return await _write(context, replace(record, resetting=True))
    if reseeds < record.reseeds:  # the store was lost, and its count with it
        return await _write(context, replace(record, reseeds=reseeds))
    return record


async def _rehearse(context: ReconcileContext, record: DataRecord) -> Waiting | None:
    """Requires all that makes the new data before the old data is deleted."""
    waves = context.rendered.waves
    jobs = [
        _with_run_name(job, record.job(wave).started(job["metadata"]["name"]))
        for wave in (Wave.MIGRATIONS, Wave.SEED)
        for job in waves.get(wave, ())
    ]
    objects = [*waves.get(Wave.DATA, ()), *jobs]
    try:
        needs = await context.ports.data.rehearse(context.namespace, objects, context.fence)
    except Rejected:
        context.add_note(PlainReason.DATA_KEPT)
        raise
    missing = (*needs.missing, *await missing_images(context, needs.images))
    if not missing:
        return None
    waiting = _wait(context, NewDataImpossible(missing))
    cause = context.message(waiting.reason)
    if context.status.cause != cause:
        # The preview may still run with the old data, so a mere wait would not be reported.
        context.update_status(transitions.waiting(context.status, cause))
        context.decide("waiting", waiting.reason)
        await context.report()
    return waiting


async def _report_reset(context: ReconcileContext, reason: PlainReason) -> None:
    cause = context.message(reason)
    if context.status.cause != cause:
        context.decide("resetting", reason)
    _clear_steps(context)
    context.update_status(transitions.data_reset(context.status, cause, context.ports.clock()))
    await report_progress(context)


def _clear_steps(context: ReconcileContext) -> None:
    cleared = transitions.steps_cleared(context.attempt, _KEPT_BY_RESET)
    context.update_attempt(replace(cleared, unstable_since=None))


async def _write(context: ReconcileContext, record: DataRecord) -> DataRecord:
    await context.ports.data.record_data(context.namespace, context.environment.key, record, context.fence)
    return record


async def _migrate(context: ReconcileContext, record: DataRecord) -> tuple[DataRecord, Outcome]:
    """Runs the migrations as a check of its own; if they fail, the previous release keeps running."""
    job = context.data_settings.migrate
    if job is None:
        return record, Done()
    if not any(check.name == MIGRATIONS for check in context.status.checks):
        _update_check(context, CheckState.RUNNING)
        await report_progress(context)
    after, state = await _run_job(context, record, Wave.MIGRATIONS)
    if state.condition is Condition.PROGRESSING:
        return after, _wait_for_job(context, MIGRATIONS, state)
    if state.condition is Condition.FAILED:
        failure = JobFailed(MIGRATIONS, job.command, state.message, state.attempts)
        _update_check(context, CheckState.FAILED, failure, state.detail)
        return after, Failed(failure, final=True, detail=state.detail)
    if after != record:
        passed = MigrationsPassed(job.command, _is_older_data(context, record))
        _update_check(context, CheckState.PASSED, passed)
        context.decide("migrated", passed)
    elif not _has_passed(context):
        _update_check(context, CheckState.PASSED, PlainReason.MIGRATIONS_UNCHANGED)
    return after, Done()


async def _seed(context: ReconcileContext, record: DataRecord) -> Outcome:
    job = context.data_settings.seed
    keeps_data = context.environment.key.kind is EnvironmentKind.DEMO  # whichever release it moves to
    if job is None or (keeps_data and record.seed.done):
        return Done()
    after, state = await _run_job(context, record, Wave.SEED)
    if state.condition is Condition.PROGRESSING:
        return _wait_for_job(context, "seed", state)
    if state.condition is Condition.FAILED:
        older = _is_older_data(context, record)
        context.add_note(PlainReason.SEED_NOT_REPEATABLE if older else PlainReason.SEED_FIXABLE)
        failure = JobFailed("seed", job.command, state.message, state.attempts)
        return Failed(failure, final=True, detail=state.detail)
    if after != record:
        context.decide("seeded", Seeded(job.command))
    return Done()


async def _run_job(
    context: ReconcileContext, record: DataRecord, wave: Wave
) -> tuple[DataRecord, ObjectState]:
    """Runs the Job of a wave unless it ran on these data; the record afterwards, and the Job's state."""
    [job] = context.rendered.waves[wave]
    content = job["metadata"]["name"]
    recorded = record.job(wave)
    if recorded.content == content and recorded.done:
        return record, ObjectState("Job", recorded.name, Condition.READY)
    if recorded.content != content or await _failed_before(context, job, recorded, wave):
        recorded = recorded.started(content)
        record = await _write(context, record.with_job(wave, recorded))
    named = _with_run_name(job, recorded)
    if context.attempt.applied.get(wave) != recorded.name:
        await context.ports.data.run_data_job(named, context.fence)
        context.mark_applied(wave, recorded.name)
        await context.save()  # otherwise a later failure would look like one of an earlier attempt
    [state] = await context.ports.health.observe(context.namespace, [named])
    if state.condition is Condition.READY:
        record = await _write(context, record.with_job(wave, replace(recorded, done=True)))
    return record, state


async def _failed_before(context: ReconcileContext, job: Manifest, recorded: JobRecord, wave: Wave) -> bool:
    """Whether the Job failed in an earlier attempt: this attempt runs it again."""
    if context.attempt.applied.get(wave) == recorded.name:
        return False
    [state] = await context.ports.health.observe(context.namespace, [_with_run_name(job, recorded)])
    return state.condition is Condition.FAILED


def _is_older_data(context: ReconcileContext, record: DataRecord) -> bool:
    return record.commit != context.commit


def _with_run_name(job: Manifest, record: JobRecord) -> Manifest:
    return {**job, "metadata": {**job["metadata"], "name": record.name}}


def _update_check(
    context: ReconcileContext, state: CheckState, reason: EnvironmentReason | None = None, detail: str = ""
) -> None:
    summary = context.describe(reason) if reason is not None else ""
    result = CheckResult(MIGRATIONS, state, summary, detail)
    context.update_status(transitions.check_updated(context.status, result))


def _has_passed(context: ReconcileContext) -> bool:
    return any(
        check.name == MIGRATIONS and check.state is CheckState.PASSED for check in context.status.checks
    )


def _wait_for_job(context: ReconcileContext, name: str, state: ObjectState) -> Waiting:
    return _wait(context, JobWaiting(name, state.message), state.detail, blocked=state.blocked)


def _wait(
    context: ReconcileContext, reason: EnvironmentReason, detail: str = "", *, blocked: bool = False
) -> Waiting:
    """At least until the Jobs' own deadlines, whose failures are more precise."""
    jobs = (context.data_settings.migrate, context.data_settings.seed)
    extra = sum((job.timeout for job in jobs if job), timedelta())
    return context.wait(Phase.DATA, reason, detail, extra=extra, blocked=blocked)
