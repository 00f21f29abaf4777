"""A place where a release runs, and how far the bot has come with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.model.pull_request import PullRequest
from bot.model.quota import Admission
from bot.model.release import Image, Release, Target
from bot.model.repository import Repository


class EnvironmentKind(StrEnum):
    PREVIEW = "preview"
    STAGE = "stage"
    DEMO = "demo"


@dataclass(frozen=True, slots=True)
class EnvironmentKey:
    """Names one environment for ever: GitHub's repository id survives a rename."""

    kind: EnvironmentKind
    repository_id: int
    name: str
    """The pull request's number, or the name of the stage or demo."""

    def __str__(self) -> str:
        return f"{self.kind}/{self.repository_id}/{self.name}"

    @property
    def label(self) -> str:
        """The same as a Kubernetes label value."""
        return f"{self.kind}.{self.repository_id}.{self.name}"

    @classmethod
    def parse(cls, text: str) -> EnvironmentKey:
        """Reads what `str` or `label` gave; ValueError for anything else."""
        parts = text.split("/" if "/" in text else ".", 2)
        if len(parts) != 3:
            raise ValueError(f"not an environment key: {text!r}")
        return cls(EnvironmentKind(parts[0]), int(parts[1]), parts[2])

    @classmethod
    def stage(cls, repository_id: int, name: str) -> EnvironmentKey:
        return cls(EnvironmentKind.STAGE, repository_id, name)

    @classmethod
    def demo(cls, repository_id: int, name: str) -> EnvironmentKey:
        return cls(EnvironmentKind.DEMO, repository_id, name)

    @classmethod
    def preview(cls, repository_id: int, number: int) -> EnvironmentKey:
        return cls(EnvironmentKind.PREVIEW, repository_id, str(number))


class Phase(StrEnum):
    """The phases of a reconcile, in the order in which they run."""

    CONFIGURATION = "configuration"
    ARTIFACT = "artifact"
    RENDER = "render"
    NAMESPACE = "namespace"
    DATA = "data"
    WORKLOADS = "workloads"
    ROUTE = "route"
    PROBE = "probe"
    CHECKS = "checks"


class EnvironmentState(StrEnum):
    """What a person sees first."""

    PENDING = "pending"
    """Known, nothing done yet, or a newer head is being brought up."""
    WAITING = "waiting"
    """Something outside has to happen first; the status says what and until when."""
    READY = "ready"
    ASLEEP = "asleep"
    """Somebody had its workloads stopped; data and namespace stay."""
    FAILED = "failed"
    REFUSED = "refused"
    """It runs nothing, and the status says who may allow it (a fork) or why not (skipped)."""
    DELETING = "deleting"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """One phase of the current attempt."""

    started_at: datetime
    finished_at: datetime | None = None
    """None while it runs or waits, or when it failed."""

    @property
    def seconds(self) -> float | None:
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """Why something waits, was refused or failed, told so that a person can act on it."""

    summary: str
    """One sentence."""
    detail: str = ""
    """Log tail, event or line and field; plain text, shown in a code block."""
    until: datetime | None = None
    """The deadline of a wait."""


class EndReason(StrEnum):
    """Why an environment is not wanted."""

    CLOSED = "closed"
    MERGED = "merged"
    EXPIRED = "expired"
    DESTROYED = "destroyed"
    """Somebody had it taken away; it stays away until somebody asks for it again."""
    SKIPPED = "skipped"
    """The configuration says so; the cause names the rule."""
    FORK = "fork"
    """Runs nothing before somebody with rights allows it."""
    ARCHIVED = "archived"
    REMOVED = "removed"
    """The App has lost the repository, as a signed delivery told and GitHub confirmed."""
    DONE = "done"
    """A stage or demo that nothing is wanted on any more, as when the promotion has ended that it was for."""
    UNCONFIGURED = "unconfigured"
    """The default branch has no `.greenroom.yml`: nothing is said on the pull request."""


class CheckState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A named check of an environment."""

    name: str
    state: CheckState
    summary: str = ""
    detail: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """All that a report needs: what runs where, for which commit, and what comes next."""

    state: EnvironmentState
    commit: str | None = None
    """The head that is wanted."""
    live_commit: str | None = None
    """The commit that answered last; differs from `commit` while a newer head is brought up."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Image name to digest, once known."""
    release_id: str | None = None
    url: str | None = None
    """Set only once a request through the gateway was answered by this release."""
    phase: Phase | None = None
    phases: Mapping[Phase, PhaseRecord] = field(default_factory=dict)
    cause: StatusMessage | None = None
    end: EndReason | None = None
    """Set in the states refused, deleting and gone."""
    checks: tuple[CheckResult, ...] = ()
    notes: tuple[str, ...] = ()
    """What else a person should know of how it runs, one sentence each."""
    expires_at: datetime | None = None
    warn_at: datetime | None = None
    """From when on the pull request warns that the time is running out."""
    expiring: bool = False
    """The pull request warns."""


@dataclass(frozen=True, slots=True)
class UserOverrides:
    """What people asked for by command. It stands until they ask for something else."""

    allowed_commit: str | None = None
    """The head of a fork's pull request that somebody with rights allowed; a newer head is another one."""
    allowed_by: str = ""
    destroyed_by: str | None = None
    """Who had it taken away; it stays away until somebody asks for it again."""
    asleep_by: str | None = None
    """Who had its workloads stopped; data and namespace stay."""
    extended_until: datetime | None = None
    reseeds: int = 0
    """Raised by each request to reset the data and seed it again."""
    refreshes: int = 0
    """Raised by each request to go through all phases again."""
    target: Target | None = None
    """What a stage is to run. A pull request's preview follows its head instead."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the reconciler remembers between two runs for the same desire; forgotten when the desire changes.

    Nothing here is a secret, and all of it can be found again by doing the phases anew.
    """

    pull_request: PullRequest | None = None
    configuration: str | None = None
    """The text of `.greenroom.yml` from the default branch, as it was read last."""
    configuration_generation: int = 0
    """The generation for which it was read; smaller while it has to be read again."""
    images: Mapping[str, Image] = field(default_factory=dict)
    """The release's images, once all of them are in the registry."""
    release: Release | None = None
    applied: Mapping[str, str] = field(default_factory=dict)
    """Wave name to the digest of the objects that were applied last."""
    probe_successes: int = 0
    """Right answers in a row through the gateway."""
    check_attempts: Mapping[str, int] = field(default_factory=dict)
    """HTTP check name to how often it was asked."""
    unstable_since: datetime | None = None
    """Since when what had come up is not quite up: a pod restarts, a node went away."""
    deleting_since: datetime | None = None
    overrides: UserOverrides = UserOverrides()
    """What people had asked for when it began."""
    author_trusted: bool | None = None
    """Whether the author of a fork's pull request may write to the repository; None before it was asked."""
    wait: StatusMessage | None = None
    """What the current phase waits for, also while that is not worth a word on the pull request."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The stored record of an environment.

    `generation` is raised by each change of desire; a write made for an older one is refused.
    """

    key: EnvironmentKey
    repository: Repository
    namespace: str
    generation: int
    observed_generation: int
    """The generation for which GitHub was last read; smaller than `generation` while a hint is unread."""
    status: Status
    attempt: Attempt
    overrides: UserOverrides
    receipt: str
    """What was written to GitHub for this environment: JSON that only the reporter reads; "" at first."""
    created_at: datetime
    updated_at: datetime
    admission: Admission = Admission.NONE
    requested_at: datetime | None = None
    """When it asked for a place on the cluster first."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that was decided about an environment, written down with its reason when it is taken."""

    environment: EnvironmentKey
    at: datetime
    action: str
    """One word: opened, superseded, waiting, failed, ready, refused, skipped, deleting, gone …"""
    reason: str
    by: str = ""
    """The person who asked for it; "" when the bot decided by itself."""
