"""The data phase: databases up, then migrations, then the seed, all before any workload starts.

What was done to the data is recorded in the namespace, so that it is known to whoever looks, whatever
became of the store.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.config.fields import Job
from bot.config.schema import MIGRATIONS, OnPush
from bot.environments.context import ReconcileContext
from bot.environments.phases.rollout import LIMITS, LOOK_AGAIN, apply, bundle_of, settle
from bot.model.data import DataRecord, JobRecord
from bot.model.environment import CheckResult, CheckState, EnvironmentState, Phase, StatusMessage
from bot.model.manifest import Condition, Manifest, ObjectState, Wave
from bot.model.outcome import Done, Failed, Outcome, Waiting

_KEPT_BY_RESET = ("rails", "secrets", Wave.CONFIGURATION)
"""What of an attempt's work a reset leaves."""


async def data(context: ReconcileContext) -> Outcome:
    record = await _record(context)
    if record.resetting:
        left = await context.ports.data.reset_data(context.namespace, context.environment.key, context.fence)
        if left:
            return _wait(context, f"Waiting until the data of before is gone: {', '.join(left)}.")
        record = await _write(
            context, record.after_reset(context.environment.overrides.reseeds, context.commit)
        )
    await apply(context, Wave.DATA)
    outcome = await settle(context, Phase.DATA, bundle_of(context).waves.get(Wave.DATA, ()))
    if context.asleep:
        return outcome
    if isinstance(outcome, Done):
        record, outcome = await _migrate(context, record)
    return await _seed(context, record) if isinstance(outcome, Done) else outcome


def reset_reason(record: DataRecord, reseeds: int, on_push: OnPush, commit: str) -> str | None:
    """Why these data may not stay; None when they may."""
    if reseeds > record.reseeds:
        return "as `/reseed` asked"
    if on_push is OnPush.RESET and record.commit != commit:
        return "as `data.on_push` says"
    return None


async def _record(context: ReconcileContext) -> DataRecord:
    """What is known of the data; begins to reset them where they may not stay."""
    reseeds, commit = context.environment.overrides.reseeds, context.commit
    record = await context.ports.data.data(context.namespace, context.environment.key)
    if record is None:
        return await _write(context, DataRecord(reseeds, commit))
    if record.resetting:
        _clear_data_steps(context)
        return record
    why = reset_reason(record, reseeds, context.data_settings.on_push, commit)
    if why is not None:
        await _report_reset(context, StatusMessage(f"Its data is reset and seeded anew, {why}."))
        return await _write(context, replace(record, resetting=True))
    if reseeds < record.reseeds:  # the store was lost, and what was wished with it
        return await _write(context, replace(record, reseeds=reseeds))
    return record


async def _report_reset(context: ReconcileContext, cause: StatusMessage) -> None:
    news = context.status.cause != cause
    _clear_data_steps(context)
    context.restart_phase(Phase.DATA)
    context.set(state=EnvironmentState.PENDING, cause=cause, url=None, checks=())
    await context.save(*([("resetting", cause.summary)] * news))
    await context.report()


def _clear_data_steps(context: ReconcileContext) -> None:
    kept = {name: digest for name, digest in context.attempt.applied.items() if name in _KEPT_BY_RESET}
    context.remember(applied=kept, probe_successes=0, check_attempts={}, unstable_since=None)


async def _write(context: ReconcileContext, record: DataRecord) -> DataRecord:
    await context.ports.data.record_data(context.namespace, context.environment.key, record, context.fence)
    return record


async def _migrate(context: ReconcileContext, record: DataRecord) -> tuple[DataRecord, Outcome]:
    """The rehearsal: a check of its own, and when it fails, what ran before goes on running."""
    job = context.data_settings.migrate
    if job is None:
        return record, Done()
    if not any(check.name == MIGRATIONS for check in context.status.checks):
        _check(context, CheckState.RUNNING, "")
        await context.save()
        await context.report_progress(news=True)
    ran, state = await _job(context, record, Wave.MIGRATIONS)
    if state.condition is Condition.PROGRESSING:
        return ran, _wait(context, f"Waiting for the migrations: {state.message}.", state.detail)
    if state.condition is Condition.FAILED:
        _check(context, CheckState.FAILED, f"{_command(job)}: {state.message}.", state.detail)
        why = f"The migrations {_command(job)} failed: {state.message}."
        return ran, Failed(why, final=True, detail=state.detail)
    if ran != record:
        where = "the data that was kept" if _is_older_data(context, record) else "new data"
        _check(context, CheckState.PASSED, f"{_command(job)} ran on {where}.")
        await context.save(("migrated", f"The migrations ran on {where}."))
    elif not _passed(context):
        _check(context, CheckState.PASSED, "The same migrations ran on this data before.")
    return ran, Done()


async def _seed(context: ReconcileContext, record: DataRecord) -> Outcome:
    job = context.data_settings.seed
    if job is None or (context.seeds_once and record.seed.done):
        return Done()
    ran, state = await _job(context, record, Wave.SEED)
    if state.condition is Condition.PROGRESSING:
        return _wait(context, f"Waiting for the seed: {state.message}.", state.detail)
    if state.condition is Condition.FAILED:
        advice = "Mend it and push, or let it run again on empty data with `/reseed`."
        if _is_older_data(context, record):
            advice = "It ran over data that was there: one that cannot run twice needs `data.on_push: reset`."
        context.add_note(advice)
        why = f"The seed {_command(job)} failed: {state.message}."
        return Failed(why, final=True, detail=state.detail)
    if ran != record:
        await context.save(("seeded", f"The seed {_command(job)} ran."))
    return Done()


async def _job(context: ReconcileContext, record: DataRecord, wave: Wave) -> tuple[DataRecord, ObjectState]:
    """Runs the Job of a wave unless these data know it; the record afterwards, and how it is doing."""
    [job] = bundle_of(context).waves[wave]
    content = job["metadata"]["name"]
    known = record.job(wave)
    if known.content == content and known.done:
        return record, ObjectState("Job", known.name, Condition.READY)
    if known.content != content or await _failed_before(context, job, known, wave):
        known = known.started(content)
        record = await _write(context, record.with_job(wave, known))
    named = _with_run_name(job, known)
    if context.attempt.applied.get(wave) != known.name:
        await context.ports.data.run_data_job(named, context.fence)
        context.remember(applied={**context.attempt.applied, wave: known.name})
        await context.save()
    [state] = await context.ports.health.observe(context.namespace, [named])
    if state.condition is Condition.READY:
        record = await _write(context, record.with_job(wave, replace(known, done=True)))
    return record, state


async def _failed_before(context: ReconcileContext, job: Manifest, known: JobRecord, wave: Wave) -> bool:
    """Whether an earlier attempt saw it fail: this one tries again."""
    if context.attempt.applied.get(wave) == known.name:
        return False
    [state] = await context.ports.health.observe(context.namespace, [_with_run_name(job, known)])
    return state.condition is Condition.FAILED


def _is_older_data(context: ReconcileContext, record: DataRecord) -> bool:
    """Whether an earlier commit left these data."""
    return record.commit != context.commit


def _with_run_name(job: Manifest, record: JobRecord) -> Manifest:
    return {**job, "metadata": {**job["metadata"], "name": record.name}}


def _check(context: ReconcileContext, state: CheckState, summary: str, detail: str = "") -> None:
    others = [check for check in context.status.checks if check.name != MIGRATIONS]
    context.set(checks=(CheckResult(MIGRATIONS, state, summary, detail), *others))


def _passed(context: ReconcileContext) -> bool:
    return any(
        check.name == MIGRATIONS and check.state is CheckState.PASSED for check in context.status.checks
    )


def _command(job: Job) -> str:
    words = " ".join(job.command).replace("`", "'").replace("\n", " ")
    return f"`{words if len(words) <= 80 else words[:79] + '…'}`"


def _wait(context: ReconcileContext, what: str, detail: str = "") -> Waiting:
    """Until the Jobs' own deadlines at least: those tell more."""
    started, now = context.waiting_since(Phase.DATA), context.ports.clock()
    jobs = (context.data_settings.migrate, context.data_settings.seed)
    longest = LIMITS[Phase.DATA] + sum((job.timeout for job in jobs if job), timedelta())
    # No watch tells of volume claims, so the first looks come soon.
    pause = min(max((now - started) / 4, timedelta(milliseconds=250)), LOOK_AGAIN)
    return Waiting(what, now + pause, started + longest, detail)
