"""Read models of an environment for the pages, the command line and `/why`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.environment import (
    DEFAULT_CLUSTER,
    Attempt,
    CheckResult,
    Decision,
    Environment,
    EnvironmentKind,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
    phases_of,
)
from bot.model.environment_summary import EnvironmentSummary
from bot.model.naming import environment_name
from bot.model.size import Size
from bot.model.work import ScheduledWork


class StepState(StrEnum):
    DONE = "done"
    RUNNING = "running"
    WAITING = "waiting"
    FAILED = "failed"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Step:
    """One phase of the current attempt."""

    phase: Phase
    state: StepState
    seconds: float | None = None
    """Duration so far; None before the phase starts."""


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """One environment at one moment. All texts are plain; they may contain hostile names and titles."""

    key: str
    name: str
    """Display name, such as `acme/shop#7`."""
    title: str
    """The pull request's; "" before it was read."""
    author: str
    branch: str
    state: EnvironmentState
    cause: StatusMessage | None
    """Why it waits, was refused or failed."""
    wait: StatusMessage | None
    """What the current phase waits for, also before that is reported on the pull request."""
    commit: str | None
    live_commit: str | None
    images: Mapping[str, str]
    release_id: str | None
    url: str | None
    addresses: Mapping[str, str]
    """URLs of further routes by name."""
    namespace: str
    cluster: str
    """ "" for the only cluster, and before one is chosen."""
    expires_at: datetime | None
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    """Further remarks, one sentence each."""
    checks: tuple[CheckResult, ...]
    decisions: tuple[Decision, ...]
    """The newest first."""
    scheduled: ScheduledWork | None
    """The next run of a worker; None when no work is queued."""
    created_at: datetime
    updated_at: datetime
    size: Size | None

    @property
    def seconds(self) -> float:
        """Total duration of all phases."""
        return sum(step.seconds or 0.0 for step in self.steps)


def shown_cluster(environment: Environment) -> str:
    """The name of the cluster; "" for the only one."""
    return "" if environment.cluster == DEFAULT_CLUSTER else environment.cluster


def environment_view(
    environment: Environment, decisions: Sequence[Decision], scheduled: ScheduledWork | None, now: datetime
) -> EnvironmentView:
    status, attempt = environment.status, environment.attempt
    pull = attempt.pull_request
    return EnvironmentView(
        key=str(environment.key),
        name=display_name(environment),
        title=pull.title if pull else "",
        author=pull.author if pull else "",
        branch=pull.head_ref if pull else "",
        state=status.state,
        cause=status.cause,
        wait=_wait(status, attempt),
        commit=status.commit,
        live_commit=status.live_commit,
        images=status.images,
        release_id=status.release_id,
        url=status.url,
        addresses=status.addresses,
        namespace=environment.namespace,
        cluster=shown_cluster(environment),
        expires_at=status.expires_at,
        steps=_steps(environment.key.kind, status, now),
        notes=(*status.notes, *status.manifest_notes),
        checks=status.checks,
        decisions=tuple(decisions),
        scheduled=scheduled,
        created_at=environment.created_at,
        updated_at=environment.updated_at,
        size=status.size,
    )


def display_name(environment: Environment | EnvironmentSummary) -> str:
    """`acme/shop#7`, or `acme/shop:staging`."""
    return environment_name(environment.key, environment.repository)


def matching_environments(text: str, environments: Sequence[Environment]) -> list[Environment]:
    """Environments with this key, or this display name with or without its owner."""
    name = text.strip().lower()
    return [
        environment
        for environment in environments
        if name in (str(environment.key).lower(), display_name(environment).lower(), _short(environment))
    ]


def _short(environment: Environment) -> str:
    return display_name(environment).partition("/")[2].lower()


def _wait(status: Status, attempt: Attempt) -> StatusMessage | None:
    return status.cause if status.state is EnvironmentState.WAITING else attempt.wait


def _steps(kind: EnvironmentKind, status: Status, now: datetime) -> tuple[Step, ...]:
    if not status.phases:
        return ()
    return tuple(
        _step(phase, status.phases.get(phase), status, now) for phase in phases_of(kind, status.phases)
    )


def _step(phase: Phase, record: PhaseRecord | None, status: Status, now: datetime) -> Step:
    if record is None:
        return Step(phase, StepState.AHEAD)
    if record.finished_at is not None:
        return Step(phase, StepState.DONE, record.seconds)
    doing = {EnvironmentState.FAILED: StepState.FAILED, EnvironmentState.WAITING: StepState.WAITING}
    state = doing.get(status.state, StepState.RUNNING)
    until = record.failed_at or now if state is StepState.FAILED else now
    return Step(phase, state, max((until - record.started_at).total_seconds(), 0.0))
