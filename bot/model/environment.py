"""An environment: its key, state, progress and stored record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.model.load import Load
from bot.model.plan import AppliedPlan, PinnedModule, PlannedChange
from bot.model.pull_request import PullRequest
from bot.model.quota import Admission
from bot.model.release import Image, Release, Target
from bot.model.repository import Repository
from bot.model.rollout import Rollout
from bot.model.secret import SecretRecord
from bot.model.size import Size
from bot.model.sleep import Sleep

DEFAULT_CLUSTER = "default"
"""Name of the only cluster, where the operator lists none."""


class EnvironmentKind(StrEnum):
    PREVIEW = "preview"
    STAGE = "stage"
    DEMO = "demo"


@dataclass(frozen=True, slots=True)
class EnvironmentKey:
    """Permanent identifier of an environment; GitHub's repository id survives a rename."""

    kind: EnvironmentKind
    repository_id: int
    name: str
    """The pull request's number, or the name of the stage or demo."""

    def __str__(self) -> str:
        return f"{self.kind}/{self.repository_id}/{self.name}"

    @property
    def label(self) -> str:
        """The key as a Kubernetes label value."""
        return f"{self.kind}.{self.repository_id}.{self.name}"

    @classmethod
    def parse(cls, text: str) -> EnvironmentKey:
        """Parses the result of `str` or `label`; ValueError for other text."""
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
    INFRASTRUCTURE = "infrastructure"
    """Only of environments with infrastructure."""
    RENDER = "render"
    NAMESPACE = "namespace"
    DATA = "data"
    WORKLOADS = "workloads"
    ROUTE = "route"
    PROBE = "probe"
    CHECKS = "checks"
    ROLLOUT = "rollout"


def phases_of(kind: EnvironmentKind, reached: Collection[Phase] = ()) -> tuple[Phase, ...]:
    """The phases that users see: rollouts of stages only, and infrastructure where there is some."""
    hidden = {Phase.INFRASTRUCTURE} - set(reached)
    if kind is not EnvironmentKind.STAGE:
        hidden.add(Phase.ROLLOUT)
    return tuple(phase for phase in Phase if phase not in hidden)


class EnvironmentState(StrEnum):
    """The state that is shown to users."""

    PENDING = "pending"
    """Nothing was done yet, or a newer head is being deployed."""
    WAITING = "waiting"
    """Waiting for an external condition; the status names it and its deadline."""
    READY = "ready"
    CHECKS_FAILED = "checks failed"
    """It runs and responds, but one of its checks failed."""
    ASLEEP = "asleep"
    """Its workloads are stopped; data and namespace remain."""
    FAILED = "failed"
    REFUSED = "refused"
    """It runs nothing. The status names who can allow it (a fork) or the reason (skipped)."""
    DELETING = "deleting"
    GONE = "gone"


RUNNING = frozenset({EnvironmentState.READY, EnvironmentState.CHECKS_FAILED})
"""The desired commit is deployed and responds, whatever the results of its checks."""


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """One phase of the current attempt."""

    started_at: datetime
    finished_at: datetime | None = None
    """None while it runs or waits, or when it failed."""
    failed_at: datetime | None = None
    """When it failed last, if it did."""

    @property
    def seconds(self) -> float | None:
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """Why something waits, was refused or failed, as text that a user can act on."""

    summary: str
    """One sentence."""
    detail: str = ""
    """Log tail, event or line and field; plain text, shown in a code block."""
    until: datetime | None = None
    """The deadline of a wait."""
    retried: bool = False
    """Whether a failure is tried again without a change of the desired state."""


class EndReason(StrEnum):
    """Why an environment is absent."""

    CLOSED = "closed"
    MERGED = "merged"
    EXPIRED = "expired"
    DESTROYED = "destroyed"
    """A user deleted it; it remains deleted until a user requests it again."""
    SKIPPED = "skipped"
    """Skipped by the configuration; the message names the rule."""
    FORK = "fork"
    """Runs nothing until a user with write access allows it."""
    ARCHIVED = "archived"
    REMOVED = "removed"
    """The App lost the repository, by a signed delivery that GitHub confirmed."""
    DONE = "done"
    """A stage or demo without a target, for example after the promotion of an ephemeral stage."""
    UNCONFIGURED = "unconfigured"
    """The default branch has no `.greenroom.yml`: nothing is reported on the pull request."""


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
    """Everything that a report needs."""

    state: EnvironmentState
    commit: str | None = None
    """The desired head."""
    live_commit: str | None = None
    """The commit that responded last; differs from `commit` while a newer head is being deployed."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Image name to digest, once known."""
    release_id: str | None = None
    url: str | None = None
    """Set after a request through the gateway was answered; while it sleeps, where a request wakes it."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """URLs of further routes by name, set with `url`."""
    phase: Phase | None = None
    phases: Mapping[Phase, PhaseRecord] = field(default_factory=dict)
    cause: StatusMessage | None = None
    end: EndReason | None = None
    """Set in the states refused, deleting and gone."""
    checks: tuple[CheckResult, ...] = ()
    notes: tuple[str, ...] = ()
    manifest_notes: tuple[str, ...] = ()
    """How the objects differ from the manifests. The comment only shows their number."""
    secrets: Mapping[str, SecretRecord] = field(default_factory=dict)
    """What it runs with, by variable; without values."""
    expires_at: datetime | None = None
    warn_at: datetime | None = None
    """When the pull request starts to warn about the expiry."""
    expiring: bool = False
    """Whether the pull request shows the warning."""
    size: Size | None = None
    """What all containers together may request; None before the namespace is prepared."""

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        return tuple(check for check in self.checks if check.state is CheckState.FAILED)


@dataclass(frozen=True, slots=True)
class UserOverrides:
    """What users requested by command, valid until they request something else."""

    allowed_commit: str | None = None
    """The head of a fork's pull request that a user with write access allowed."""
    allowed_by: str = ""
    destroyed_by: str | None = None
    """The user who deleted it; it remains deleted until a user requests it again."""
    sleep: Sleep | None = None
    """The last request to stop its workloads."""
    extended_until: datetime | None = None
    reseeds: int = 0
    """Incremented by each request to reset and seed the data."""
    refreshes: int = 0
    """Incremented by each request to run all phases again."""
    approved_plan: str = ""
    """The Terraform plan that a user approved, by the start of its digest."""
    abandoned_at: datetime | None = None
    """When a user abandoned infrastructure that cannot be destroyed."""
    target: Target | None = None
    """The target of a stage. A preview follows its pull request's head instead."""

    def sleeps_at(self, commit: str) -> bool:
        """Whether its workloads are to be stopped while this is the head."""
        return self.sleep is not None and self.sleep.commit == commit


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is kept between reconciles for one desired state; running the phases restores it. No secret."""

    pull_request: PullRequest | None = None
    configuration: str | None = None
    """The text of `.greenroom.yml` on the default branch at the last read."""
    configuration_generation: int = 0
    """The generation for which it was read; smaller if it must be read again."""
    images: Mapping[str, Image] = field(default_factory=dict)
    """The release's images, after all of them exist in the registry."""
    release: Release | None = None
    applied: Mapping[str, str] = field(default_factory=dict)
    """Wave name to the digest of the objects that were applied last."""
    probe_successes: int = 0
    """Consecutive successful probes through the gateway."""
    unanswered_probes: int = 0
    """Probes without any response from the gateway: later ones wait longer."""
    endpoints: Mapping[str, datetime] = field(default_factory=dict)
    """When the ready pods behind a Service were seen first, by Service and pods."""
    check_attempts: Mapping[str, int] = field(default_factory=dict)
    """Attempts by name of an HTTP check."""
    unstable_since: datetime | None = None
    """Time since which ready objects are not ready: a pod restarts, a node is lost."""
    deleting_since: datetime | None = None
    unseen_since: datetime | None = None
    """Time since which GitHub does not show the pull request."""
    overrides: UserOverrides = UserOverrides()
    """The user overrides when it started."""
    author_trusted: bool | None = None
    """Whether the author of a fork's pull request has write access; None if not read yet."""
    wait: StatusMessage | None = None
    """What the current phase waits for, also if it is not reported on the pull request yet."""
    load: Load | None = None
    """What the release requests; None before it was rendered."""
    rollout: Rollout | None = None
    """The progressive rollout of a stage; None for a rolling one."""
    rolling: bool = False
    """Whether this attempt moves the stage by a rolling rollout, whatever is configured."""
    woken: bool = False
    """Whether it continues a preview that was asleep, whose time to live goes on."""
    report_due: bool = False
    """Whether the pull request shows an older state than that of the status."""
    plan: PlannedChange | None = None
    """The Terraform plan for whose approval it waits."""
    module: PinnedModule | None = None
    """The module of its infrastructure; None for one in the environment's own repository."""
    applied_plan: AppliedPlan | None = None
    """None without infrastructure, or before its first plan was applied."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The stored record of an environment.

    Each change of the desired state raises `generation`; a write for an older one is refused.
    """

    key: EnvironmentKey
    repository: Repository
    namespace: str
    generation: int
    observed_generation: int
    """The generation for which GitHub was last read; smaller while a hint is unprocessed."""
    status: Status
    attempt: Attempt
    overrides: UserOverrides
    receipt: str
    """What was written to GitHub: JSON that only the reporter reads; "" at first."""
    created_at: datetime
    updated_at: datetime
    admission: Admission = Admission.NONE
    requested_at: datetime | None = None
    """When it first requested a slot."""
    cluster: str = DEFAULT_CLUSTER
    """The cluster that has its namespace; "" until one is chosen, and after its namespace was deleted."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about an environment, stored with its reason when it is made."""

    environment: EnvironmentKey
    at: datetime
    action: str
    """One word: opened, superseded, waiting, failed, ready, refused, skipped, deleting, gone …"""
    reason: str
    by: str = ""
    """The user who requested it; "" for a decision of the bot."""
