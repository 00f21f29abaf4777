"""Attempts as lines of a list, and one of them in the form of an environment. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.model.attempt import DeploymentAttempt
from bot.model.environment import Environment, EnvironmentState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNFINISHED = (EnvironmentState.PENDING, EnvironmentState.WAITING)


@dataclass(frozen=True, slots=True)
class AttemptRow:
    id: int
    """Id in the address: the start in microseconds."""
    started_at: datetime
    state: EnvironmentState
    outcome: str
    commit: str
    seconds: float
    cause: str


def attempt_rows(attempts: Sequence[DeploymentAttempt]) -> list[AttemptRow]:
    """Rows of the list, in the given order: the newest first."""
    return [_row(attempt, is_last=index == 0) for index, attempt in enumerate(attempts)]


def _row(attempt: DeploymentAttempt, *, is_last: bool) -> AttemptRow:
    status = attempt.status
    ends = [record.finished_at or record.failed_at for record in status.phases.values()]
    end = max((end for end in ends if end is not None), default=attempt.started_at)
    return AttemptRow(
        id=(attempt.started_at - _EPOCH) // timedelta(microseconds=1),
        started_at=attempt.started_at,
        state=status.state,
        outcome=outcome(attempt, is_last=is_last),
        commit=status.commit or "",
        seconds=max((end - attempt.started_at).total_seconds(), 0.0),
        cause=status.cause.summary if status.cause is not None else "",
    )


def outcome(attempt: DeploymentAttempt, *, is_last: bool) -> str:
    """The state, or that a newer attempt replaced it before it ended."""
    state = attempt.status.state
    return "superseded" if state in _UNFINISHED and not is_last else state.value


def attempt_time(id: int) -> datetime:
    """The start of the attempt with this id."""
    try:
        return _EPOCH + timedelta(microseconds=id)
    except OverflowError:
        return _EPOCH


def attempt_environment(environment: Environment, attempt: DeploymentAttempt) -> Environment:
    """The environment as it was with this attempt."""
    own = replace(environment.attempt, wait=None)
    return replace(environment, status=attempt.status, attempt=own)
