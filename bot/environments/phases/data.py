"""The data phase: databases up, then migrations, then the seed, all before any workload starts.

What was done to the data is recorded in the namespace, so that it is known to whoever looks, whatever
became of the store.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.config.configuration import MIGRATIONS, OnPush
from bot.config.fields import Job
from bot.environments.context import ReconcileContext
from bot.environments.phases.rollout import LIMITS, LOOK_AGAIN, apply, bundle_of, settle
from bot.model.data import DataRecord, JobRecord
from bot.model.environment import CheckResult, CheckState, EnvironmentState, Phase, StatusMessage
from bot.model.manifest import Condition, Manifest, ObjectState, Wave
from bot.model.outcome import Done, Failed, Outcome, Waiting

_BEFORE = ("rails", "secrets", Wave.CONFIGURATION)
"""What of an attempt's work a reset leaves."""


async def data(run: ReconcileContext) -> Outcome:
    record = await _record(run)
    if record.resetting:
        left = await run.ports.data.reset_data(run.namespace, run.environment.key, run.fence)
        if left:
            return _wait(run, f"Waiting until the data of before is gone: {', '.join(left)}.")
        record = await _write(run, record.emptied(run.environment.overrides.reseeds, run.commit))
    await apply(run, Wave.DATA)
    outcome = await settle(run, Phase.DATA, bundle_of(run).waves.get(Wave.DATA, ()))
    if run.asleep:
        return outcome
    if isinstance(outcome, Done):
        record, outcome = await _migrate(run, record)
    return await _seed(run, record) if isinstance(outcome, Done) else outcome


def why_reset(record: DataRecord, reseeds: int, on_push: OnPush, commit: str) -> str | None:
    """Why these data may not stay; None when they may."""
    if reseeds > record.reseeds:
        return "as `/reseed` asked"
    if on_push is OnPush.RESET and record.commit != commit:
        return "as `data.on_push` says"
    return None


async def _record(run: ReconcileContext) -> DataRecord:
    """What is known of the data; begins to reset them where they may not stay."""
    reseeds, commit = run.environment.overrides.reseeds, run.commit
    record = await run.ports.data.data(run.namespace, run.environment.key)
    if record is None:
        return await _write(run, DataRecord(reseeds, commit))
    if record.resetting:
        _forget(run)
        return record
    why = why_reset(record, reseeds, run.data.on_push, commit)
    if why is not None:
        await _tell_reset(run, StatusMessage(f"Its data is reset and seeded anew, {why}."))
        return await _write(run, replace(record, resetting=True))
    if reseeds < record.reseeds:  # the store was lost, and what was wished with it
        return await _write(run, replace(record, reseeds=reseeds))
    return record


async def _tell_reset(run: ReconcileContext, cause: StatusMessage) -> None:
    news = run.status.cause != cause
    _forget(run)
    run.restart(Phase.DATA)
    run.set(state=EnvironmentState.PENDING, cause=cause, url=None, checks=())
    await run.save(*([("resetting", cause.summary)] * news))
    await run.report()


def _forget(run: ReconcileContext) -> None:
    kept = {name: digest for name, digest in run.attempt.applied.items() if name in _BEFORE}
    run.remember(applied=kept, answers=0, tries={}, unsteady_since=None)


async def _write(run: ReconcileContext, record: DataRecord) -> DataRecord:
    await run.ports.data.record_data(run.namespace, run.environment.key, record, run.fence)
    return record


async def _migrate(run: ReconcileContext, record: DataRecord) -> tuple[DataRecord, Outcome]:
    """The rehearsal: a check of its own, and when it fails, what ran before goes on running."""
    job = run.data.migrate
    if job is None:
        return record, Done()
    if not any(check.name == MIGRATIONS for check in run.status.checks):
        _check(run, CheckState.RUNNING, "")
        await run.save()
        await run.mention(news=True)
    ran, state = await _job(run, record, Wave.MIGRATIONS)
    if state.condition is Condition.PROGRESSING:
        return ran, _wait(run, f"Waiting for the migrations: {state.message}.", state.detail)
    if state.condition is Condition.FAILED:
        _check(run, CheckState.FAILED, f"{_command(job)}: {state.message}.", state.detail)
        why = f"The migrations {_command(job)} failed: {state.message}."
        return ran, Failed(why, final=True, detail=state.detail)
    if ran != record:
        where = "the data that was kept" if _kept(run, record) else "new data"
        _check(run, CheckState.PASSED, f"{_command(job)} ran on {where}.")
        await run.save(("migrated", f"The migrations ran on {where}."))
    elif not _passed(run):
        _check(run, CheckState.PASSED, "The same migrations ran on this data before.")
    return ran, Done()


async def _seed(run: ReconcileContext, record: DataRecord) -> Outcome:
    job = run.data.seed
    if job is None or (run.seeded_once and record.seed.done):
        return Done()
    ran, state = await _job(run, record, Wave.SEED)
    if state.condition is Condition.PROGRESSING:
        return _wait(run, f"Waiting for the seed: {state.message}.", state.detail)
    if state.condition is Condition.FAILED:
        advice = "Mend it and push, or let it run again on empty data with `/reseed`."
        if _kept(run, record):
            advice = "It ran over data that was there: one that cannot run twice needs `data.on_push: reset`."
        run.note(advice)
        why = f"The seed {_command(job)} failed: {state.message}."
        return Failed(why, final=True, detail=state.detail)
    if ran != record:
        await run.save(("seeded", f"The seed {_command(job)} ran."))
    return Done()


async def _job(run: ReconcileContext, record: DataRecord, wave: Wave) -> tuple[DataRecord, ObjectState]:
    """Runs the Job of a wave unless these data know it; the record afterwards, and how it is doing."""
    [job] = bundle_of(run).waves[wave]
    content = job["metadata"]["name"]
    known = record.job(wave)
    if known.content == content and known.done:
        return record, ObjectState("Job", known.name, Condition.READY)
    if known.content != content or await _failed_before(run, job, known, wave):
        known = known.started(content)
        record = await _write(run, record.with_job(wave, known))
    named = _named(job, known)
    if run.attempt.applied.get(wave) != known.name:
        await run.ports.data.run_data_job(named, run.fence)
        run.remember(applied={**run.attempt.applied, wave: known.name})
        await run.save()
    [state] = await run.ports.health.observe(run.namespace, [named])
    if state.condition is Condition.READY:
        record = await _write(run, record.with_job(wave, replace(known, done=True)))
    return record, state


async def _failed_before(run: ReconcileContext, job: Manifest, known: JobRecord, wave: Wave) -> bool:
    """Whether an earlier attempt saw it fail: this one tries again."""
    if run.attempt.applied.get(wave) == known.name:
        return False
    [state] = await run.ports.health.observe(run.namespace, [_named(job, known)])
    return state.condition is Condition.FAILED


def _kept(run: ReconcileContext, record: DataRecord) -> bool:
    """Whether an earlier commit left these data."""
    return record.commit != run.commit


def _named(job: Manifest, record: JobRecord) -> Manifest:
    return {**job, "metadata": {**job["metadata"], "name": record.name}}


def _check(run: ReconcileContext, state: CheckState, summary: str, detail: str = "") -> None:
    others = [check for check in run.status.checks if check.name != MIGRATIONS]
    run.set(checks=(CheckResult(MIGRATIONS, state, summary, detail), *others))


def _passed(run: ReconcileContext) -> bool:
    return any(check.name == MIGRATIONS and check.state is CheckState.PASSED for check in run.status.checks)


def _command(job: Job) -> str:
    words = " ".join(job.command).replace("`", "'").replace("\n", " ")
    return f"`{words if len(words) <= 80 else words[:79] + '…'}`"


def _wait(run: ReconcileContext, what: str, detail: str = "") -> Waiting:
    """Until the Jobs' own deadlines at least: those tell more."""
    started, now = run.waits_since(Phase.DATA), run.ports.clock()
    jobs = (run.data.migrate, run.data.seed)
    longest = LIMITS[Phase.DATA] + sum((job.timeout for job in jobs if job), timedelta())
    # No watch tells of volume claims, so the first looks come soon.
    pause = min(max((now - started) / 4, timedelta(milliseconds=250)), LOOK_AGAIN)
    return Waiting(what, now + pause, started + longest, detail)
