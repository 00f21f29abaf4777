"""Adds up what environments request, and decides which previews sleep. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.config.schema import Preview
from bot.model.environment import RUNNING, Environment, EnvironmentKey, EnvironmentState, Phase
from bot.model.load import Load
from bot.model.quota import Admission, Candidate, Caps, queue_positions
from bot.model.sleep import SleepCause
from bot.model.usage import Usage

SCHEDULED_IDLE = timedelta(hours=1)
"""At scheduled times a preview sleeps when it has been idle for this time."""
ROOM_IDLE = timedelta(minutes=10)
"""A preview that was used within this time is not stopped to make room for another one."""

_STOPPED = (
    EnvironmentState.ASLEEP,
    EnvironmentState.DELETING,
    EnvironmentState.GONE,
    EnvironmentState.REFUSED,
)
_HOUR = timedelta(hours=1)


def measured(
    before: Usage | None, environment: Environment, requests: Mapping[str, int] | None, now: datetime
) -> Usage:
    """The usage until now; `requests` are the current counts, None if they cannot be read.

    It has requested what it requested at the last measurement: a release that is being replaced runs on.
    """
    usage = before or Usage(environment.key, environment.created_at)
    stopped = environment.status.state in _STOPPED
    load = Load() if stopped else environment.attempt.load or Load(usage.cores, usage.gibibytes)
    if not usage.cores:
        usage = _started(usage, environment, load, now)
    until = min(max(environment.updated_at, usage.measured_at), now) if stopped else now
    hours = (until - usage.measured_at) / _HOUR
    usage = replace(
        usage,
        measured_at=now,
        core_hours=usage.core_hours + hours * usage.cores,
        gibibyte_hours=usage.gibibyte_hours + hours * usage.gibibytes,
        cores=load.cores,
        gibibytes=load.gibibytes,
    )
    if requests is None:
        return usage
    used = any(count and count != usage.requests.get(source) for source, count in requests.items())
    return replace(usage, requests=requests, used_at=now if used else usage.used_at)


def _started(usage: Usage, environment: Environment, load: Load, now: datetime) -> Usage:
    """Workloads that did not run at the last measurement count from their start."""
    data = environment.status.phases.get(Phase.DATA)
    since = max(usage.measured_at, data.started_at) if data is not None else now
    return replace(usage, measured_at=since, cores=load.cores, gibibytes=load.gibibytes)


def last_used(environment: Environment, usage: Usage) -> datetime:
    """The last request of a user, or the end of the last deployment, which was requested too."""
    ended = [record.finished_at for record in environment.status.phases.values() if record.finished_at]
    return max([*ended, usage.used_at or environment.created_at])


def sleep_due(preview: Preview, used_at: datetime, now: datetime, *, counted: bool) -> SleepCause | None:
    """Why a running preview must sleep now; `counted`: whether all requests are known."""
    idle = now - used_at
    if preview.sleep_after is not None and counted and idle >= preview.sleep_after:
        return SleepCause.IDLE
    if preview.sleep is not None and idle >= SCHEDULED_IDLE and preview.sleep.covers(now):
        return SleepCause.SCHEDULE
    return None


@dataclass(frozen=True, slots=True)
class Idle:
    """A running preview whose requests are counted."""

    key: EnvironmentKey
    used_at: datetime


def to_make_room(
    candidates: Sequence[Candidate], caps: Caps, idle: Sequence[Idle], now: datetime
) -> list[Idle]:
    """The previews that sleep so that queued ones can start: for each, the least recently used."""
    by_key = {str(preview.key): preview for preview in idle if now - preview.used_at >= ROOM_IDLE}
    remaining, chosen = list(candidates), list[Idle]()
    queued = [candidate for candidate in candidates if candidate.admission is Admission.QUEUED]
    for waiting in sorted(queued, key=lambda candidate: (candidate.requested_at, candidate.key)):
        evicted = _evicted(waiting, remaining, caps, by_key)
        chosen += (by_key.pop(candidate.key) for candidate in evicted)
        remaining = [candidate for candidate in remaining if candidate not in evicted]
    return chosen


def _evicted(
    waiting: Candidate, candidates: Sequence[Candidate], caps: Caps, idle: Mapping[str, Idle]
) -> list[Candidate]:
    """Those without which the preview can start; none if that is not possible."""
    remaining, evicted = list(candidates), list[Candidate]()
    while (position := queue_positions(remaining, caps).get(waiting.key)) is not None:
        scope = next(scope for scope in waiting.scopes if scope[0] is position.scope)
        running = [
            candidate
            for candidate in remaining
            if candidate.admission is Admission.ADMITTED
            and candidate.key in idle
            and scope in candidate.scopes
        ]
        if not running:
            return []
        longest = min(running, key=lambda candidate: (idle[candidate.key].used_at, candidate.key))
        remaining.remove(longest)
        evicted.append(longest)
    return evicted


def may_sleep(environment: Environment) -> bool:
    """Whether it runs its head; what is being deployed or has failed is left alone."""
    pull = environment.attempt.pull_request
    if pull is None or environment.status.state not in RUNNING:
        return False
    is_current = environment.observed_generation == environment.generation
    return is_current and not environment.overrides.sleeps_at(pull.head_sha)
