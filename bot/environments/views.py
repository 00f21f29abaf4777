"""What there is to tell of an environment: the page, the command line and `/why` all show this. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.environment import (
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
)
from bot.model.work import ScheduledWork


class StepState(StrEnum):
    DONE = "done"
    RUNNING = "running"
    WAITING = "waiting"
    FAILED = "failed"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Step:
    """One phase of the current attempt, as a reader follows it."""

    phase: Phase
    state: StepState
    seconds: float | None = None
    """How long it took, or has taken so far; None while it is ahead."""


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """One environment at one moment. All texts are plain; names and titles in them may be hostile."""

    key: str
    name: str
    """As a person writes it: `acme/shop#7`."""
    title: str
    """The pull request's; "" before it was read."""
    author: str
    branch: str
    state: EnvironmentState
    headline: str
    """One sentence: what runs, or what becomes of it."""
    cause: StatusMessage | None
    """Why it waits, was refused or failed."""
    wait: StatusMessage | None
    """What the current phase waits for and until when, also before it is worth a word on the pull request."""
    commit: str | None
    live_commit: str | None
    images: Mapping[str, str]
    release_id: str | None
    url: str | None
    namespace: str
    expires_at: datetime | None
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    """What else a person should know of how it runs, one sentence each."""
    checks: tuple[CheckResult, ...]
    decisions: tuple[Decision, ...]
    """The newest first."""
    scheduled: ScheduledWork | None
    """When a worker looks at it next; None when nothing is to be done."""
    updated_at: datetime

    @property
    def seconds(self) -> float:
        """All phases together."""
        return sum(step.seconds or 0.0 for step in self.steps)

    @property
    def last_error(self) -> str:
        """Why the last runs did not get through, in a sentence; "" when they did."""
        work = self.scheduled
        if work is None or not work.error:
            return ""
        times = "once" if work.attempts == 1 else f"{work.attempts} times in a row"
        return f"The last run did not get through ({times}): {work.error}"


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
        headline=_headline(status),
        cause=status.cause,
        wait=_wait(status, attempt),
        commit=status.commit,
        live_commit=status.live_commit,
        images=status.images,
        release_id=status.release_id,
        url=status.url,
        namespace=environment.namespace,
        expires_at=status.expires_at,
        steps=_steps(status, now),
        notes=status.notes,
        checks=status.checks,
        decisions=tuple(decisions),
        scheduled=scheduled,
        updated_at=environment.updated_at,
    )


def display_name(environment: Environment) -> str:
    """`acme/shop#7`, or `acme/shop:staging`."""
    mark = "#" if environment.key.kind is EnvironmentKind.PREVIEW else ":"
    return f"{environment.repository.full_name}{mark}{environment.key.name}"


def matching_environments(text: str, environments: Sequence[Environment]) -> list[Environment]:
    """Those that a person may mean by a key, or by a name with or without its owner."""
    wanted = text.strip().lower()
    return [
        environment
        for environment in environments
        if wanted in (str(environment.key).lower(), display_name(environment).lower(), _short(environment))
    ]


def _short(environment: Environment) -> str:
    return display_name(environment).partition("/")[2].lower()


def _headline(status: Status) -> str:
    commit = (status.commit or "")[:7] or "The head"
    older = status.live_commit if status.live_commit not in (None, status.commit) else None
    still = f" What runs is still the older {older[:7]}." if older else ""
    match status.state:
        case EnvironmentState.PENDING:
            return f"{commit} is being {'brought up' if older is None else 'put in place'}.{still}"
        case EnvironmentState.WAITING:
            return f"{commit} has to wait.{still}"
        case EnvironmentState.READY:
            return f"{commit} is ready."
        case EnvironmentState.ASLEEP:
            return f"{commit} is asleep."
        case EnvironmentState.FAILED:
            return f"{commit} failed.{still}"
        case EnvironmentState.REFUSED:
            return "Nothing runs here."
        case EnvironmentState.DELETING:
            return "It is being taken away."
        case EnvironmentState.GONE:
            return "It is gone."


def _wait(status: Status, attempt: Attempt) -> StatusMessage | None:
    return status.cause if status.state is EnvironmentState.WAITING else attempt.wait


def _steps(status: Status, now: datetime) -> tuple[Step, ...]:
    if not status.phases:
        return ()
    return tuple(_step(phase, status.phases.get(phase), status, now) for phase in Phase)


def _step(phase: Phase, record: PhaseRecord | None, status: Status, now: datetime) -> Step:
    if record is None:
        return Step(phase, StepState.AHEAD)
    if record.finished_at is not None:
        return Step(phase, StepState.DONE, record.seconds)
    doing = {EnvironmentState.FAILED: StepState.FAILED, EnvironmentState.WAITING: StepState.WAITING}
    return Step(
        phase, doing.get(status.state, StepState.RUNNING), max((now - record.started_at).total_seconds(), 0.0)
    )
