"""State transitions of an environment's status and attempt. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.environments.expiry import clear
from bot.model.environment import (
    RUNNING,
    Attempt,
    CheckResult,
    EndReason,
    Environment,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
)
from bot.model.quota import Admission

INFRASTRUCTURE_MARK = "infrastructure"
"""Begins the names under which an attempt records what it did in the namespace of the infrastructure."""
ENDED = (EnvironmentState.GONE, EnvironmentState.REFUSED)


def pending(status: Status, cause: StatusMessage | None = None) -> Status:
    return replace(status, state=EnvironmentState.PENDING, cause=cause, phase=None)


def waiting(status: Status, cause: StatusMessage) -> Status:
    return replace(status, state=EnvironmentState.WAITING, cause=cause)


def queued(status: Status, cause: StatusMessage) -> Status:
    """The expiry timer starts when a slot is assigned."""
    return clear(replace(waiting(status, cause), phase=None))


def running(status: Status, failed_checks: StatusMessage | None) -> Status:
    """All phases are finished; the cause is the message about failed checks, if there are any."""
    state = EnvironmentState.READY if failed_checks is None else EnvironmentState.CHECKS_FAILED
    return replace(status, state=state, phase=None, cause=failed_checks, live_commit=status.commit)


def woken(status: Status, commit: str) -> Status:
    """The phases start again; the time to live goes on."""
    return Status(
        EnvironmentState.PENDING,
        commit=commit,
        expires_at=status.expires_at,
        warn_at=status.warn_at,
        expiring=status.expiring,
    )


def asleep(status: Status, cause: StatusMessage, url: str | None) -> Status:
    """Nothing responds while the workloads are stopped. A request for `url`, if any, wakes it."""
    return replace(
        status,
        state=EnvironmentState.ASLEEP,
        phase=None,
        cause=cause,
        url=url,
        addresses={},
        live_commit=None,
    )


def failed(status: Status, commit: str, cause: StatusMessage, now: datetime) -> Status:
    """Stops the clock of the phase that failed."""
    record = status.phases.get(status.phase) if status.phase is not None else None
    if record is not None and status.phase is not None and record.finished_at is None:
        retried = status.state is EnvironmentState.FAILED and record.failed_at is not None
        failed_at = record.failed_at if retried else now
        status = replace(status, phases={**status.phases, status.phase: replace(record, failed_at=failed_at)})
    return replace(status, state=EnvironmentState.FAILED, commit=commit, cause=cause, end=None)


def deleting(status: Status, end: EndReason, cause: StatusMessage) -> Status:
    """Starts the deletion: nothing is shown as running any more."""
    return Status(
        EnvironmentState.DELETING, commit=status.commit, cause=cause, end=end, expires_at=status.expires_at
    )


def data_reset(status: Status, cause: StatusMessage, now: datetime) -> Status:
    """The data phase starts again; what used the data is deleted."""
    restarted = phase_restarted(status, Phase.DATA, now)
    return replace(
        restarted,
        state=EnvironmentState.PENDING,
        cause=cause,
        url=None,
        addresses={},
        live_commit=None,
        checks=(),
    )


def namespace_lost(status: Status, cause: StatusMessage, now: datetime) -> Status:
    """Nothing runs any more; what ran is deployed again."""
    if status.state in RUNNING:
        status = replace(
            phase_restarted(status, Phase.NAMESPACE, now), state=EnvironmentState.PENDING, cause=cause
        )
    return replace(_unreachable(status), checks=())


def _unreachable(status: Status) -> Status:
    return replace(status, url=None, addresses={}, live_commit=None)


def phase_started(status: Status, phase: Phase, now: datetime) -> Status:
    record = status.phases.get(phase)
    if record is None:
        return replace(status, phase=phase, phases={**status.phases, phase: PhaseRecord(now)})
    return replace(status, phase=phase) if record.finished_at is None else status


def phase_finished(status: Status, phase: Phase, now: datetime) -> Status:
    record = replace(status.phases[phase], finished_at=now)
    return replace(status, phases={**status.phases, phase: record})


def phase_restarted(status: Status, phase: Phase, now: datetime) -> Status:
    """Drops the records of this phase and the phases after it."""
    earlier = list(Phase)[: list(Phase).index(phase)]
    records = {finished: record for finished, record in status.phases.items() if finished in earlier}
    return replace(status, phases={**records, phase: PhaseRecord(now)}, phase=phase)


def check_updated(status: Status, result: CheckResult) -> Status:
    """The named check comes first."""
    others = [check for check in status.checks if check.name != result.name]
    return replace(status, checks=(result, *others))


def applied(attempt: Attempt, name: str, digest: str) -> Attempt:
    return replace(attempt, applied={**attempt.applied, name: digest})


def steps_cleared(attempt: Attempt, kept: Sequence[str] = ()) -> Attempt:
    """Forgets what was applied except the kept names, and all that was seen of it."""
    remaining = {
        name: digest
        for name, digest in attempt.applied.items()
        if name in kept or name.startswith(INFRASTRUCTURE_MARK)
    }
    return replace(
        attempt, applied=remaining, probe_successes=0, unanswered_probes=0, check_attempts={}, endpoints={}
    )


def settled(attempt: Attempt) -> Attempt:
    """Nothing is waited for."""
    return replace(attempt, unstable_since=None, wait=None)


def with_admission(environment: Environment) -> Environment:
    """A slot is kept until nothing of the environment runs, a queue position while it is prepared."""
    status = environment.status
    ended = status.state in ENDED or (status.state is EnvironmentState.ASLEEP and _has_stopped(status))
    prepared = environment.attempt.release is not None or Phase.INFRASTRUCTURE in status.phases
    unprepared = environment.admission is Admission.QUEUED and not prepared
    return replace(environment, admission=Admission.NONE) if ended or unprepared else environment


def _has_stopped(status: Status) -> bool:
    """Whether the workloads of a sleeping environment were stopped."""
    record = status.phases.get(Phase.WORKLOADS)
    return record is not None and record.finished_at is not None
