"""Typed reasons for an environment's state, notes, checks and decisions.

They contain no sentences: `bot/github/messages/environment_reasons.py` renders them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from bot.environments.cluster_reasons import ClusterReason
from bot.environments.data_reasons import DataReason
from bot.environments.hook_reasons import HookReason
from bot.environments.image_reasons import ImageReason
from bot.environments.infrastructure.reasons import InfrastructureReason
from bot.environments.rollout_reasons import RolloutReason
from bot.environments.secret_reasons import SecretReason
from bot.environments.sleep_reasons import SleepReason
from bot.model.environment import EnvironmentKey
from bot.model.notes import Effect, Note
from bot.model.quota import QueuePosition
from bot.model.reason import Reported


class PlainReason(Enum):
    """Reasons without parameters."""

    PULL_REQUEST_MERGED = auto()
    PULL_REQUEST_CLOSED = auto()
    PULL_REQUEST_REOPENED = auto()
    PULL_REQUEST_NOT_VISIBLE = auto()
    REPOSITORY_ARCHIVED = auto()
    EXPIRED = auto()
    SKIPPED_DRAFT = auto()
    SKIPPED_BOT = auto()
    SKIPPED_PATHS = auto()
    CONVERTED_TO_DRAFT = auto()
    READY_FOR_REVIEW = auto()
    CONFIGURATION_MISSING = auto()
    CONFIGURATION_INVALID = auto()
    CONFIGURATION_CHANGED = auto()
    RELEASE_CONFIGURATION_INVALID = auto()
    NO_TARGET = auto()
    SLOT_ASSIGNED = auto()
    NAMESPACE_TERMINATING = auto()
    NAMESPACE_RECREATED = auto()
    DATA_RESET_BY_COMMAND = auto()
    DATA_RESET_BY_PUSH = auto()
    MIGRATIONS_UNCHANGED = auto()
    DATA_KEPT = auto()
    """The reset did not begin."""
    SEED_FIXABLE = auto()
    """Advice after a failed seed: fix it, or reset the data."""
    SEED_NOT_REPEATABLE = auto()
    """Advice after a seed failed on existing data."""
    GATEWAY_CONFIRMING = auto()


@dataclass(frozen=True, slots=True)
class Destroyed:
    by: str


@dataclass(frozen=True, slots=True)
class ForkNotAllowed:
    repository: str
    """Full name."""


@dataclass(frozen=True, slots=True)
class SkippedLabel:
    label: str


@dataclass(frozen=True, slots=True)
class HeadChanged:
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class LabelsChanged:
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BaseChanged:
    branch: str


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    commit: str


@dataclass(frozen=True, slots=True)
class ReleaseTargeted:
    release: str
    commit: str


@dataclass(frozen=True, slots=True)
class Serving:
    commit: str
    url: str | None
    """None when no route is configured."""


@dataclass(frozen=True, slots=True)
class Expiring:
    at: datetime


@dataclass(frozen=True, slots=True)
class Queued:
    position: QueuePosition
    repository: str
    author: str


@dataclass(frozen=True, slots=True)
class Overdue:
    """The environment existed longer than it should have."""

    minutes: int


@dataclass(frozen=True, slots=True)
class DeploymentsDeactivated:
    count: int


@dataclass(frozen=True, slots=True)
class NamespaceRenamed:
    before: str
    after: str


LifecycleReason = (
    Destroyed
    | ForkNotAllowed
    | SkippedLabel
    | HeadChanged
    | LabelsChanged
    | BaseChanged
    | AttemptStarted
    | ReleaseTargeted
    | Serving
    | Expiring
    | Queued
    | Overdue
    | DeploymentsDeactivated
    | NamespaceRenamed
)
"""Reasons why an environment exists, runs, waits for a slot or ends."""


@dataclass(frozen=True, slots=True)
class TtlLimited:
    requested: timedelta
    allowed: timedelta


@dataclass(frozen=True, slots=True)
class ManifestNotes:
    """Differences between manifests and objects with the same effect and reason."""

    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class ManifestsTransformed:
    """The number of differences between manifests and objects, by effect."""

    counts: Mapping[Effect, int]


@dataclass(frozen=True, slots=True)
class SizeExceeded:
    """The objects request more than the environment's quota, so some of its pods would never start."""

    excess: Mapping[str, tuple[str, str]]
    """Requested and available amount by name."""


@dataclass(frozen=True, slots=True)
class ManifestsDiffer:
    commit: str
    release: str


@dataclass(frozen=True, slots=True)
class ForeignNamespace:
    name: str


@dataclass(frozen=True, slots=True)
class ObjectWaiting:
    kind: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class ServiceWaiting:
    name: str


@dataclass(frozen=True, slots=True)
class ObjectFailed:
    kind: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class ImmutableFieldsChanged:
    kind: str
    name: str
    fields: tuple[str, ...]
    environment: EnvironmentKey


@dataclass(frozen=True, slots=True)
class GatewayMismatch:
    """The gateway did not respond from this release."""

    error: str
    status: int | None
    release: str | None
    route: str = ""
    """The name of a further route."""


@dataclass(frozen=True, slots=True)
class UnknownRoute:
    """A check names a route that the manifests do not have."""

    route: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChecksRunning:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HttpResult:
    path: str
    status: int | None
    error: str
    attempts: int


@dataclass(frozen=True, slots=True)
class CheckCompleted:
    attempts: int


@dataclass(frozen=True, slots=True)
class CheckFailed:
    name: str
    summary: str


@dataclass(frozen=True, slots=True)
class ChecksFailed:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimedOut:
    reason: EnvironmentReason


PhaseReason = (
    ImageReason
    | TtlLimited
    | ManifestNotes
    | ManifestsTransformed
    | SizeExceeded
    | ManifestsDiffer
    | ClusterReason
    | ForeignNamespace
    | DataReason
    | HookReason
    | ObjectWaiting
    | ServiceWaiting
    | ObjectFailed
    | ImmutableFieldsChanged
    | GatewayMismatch
    | UnknownRoute
    | ChecksRunning
    | HttpResult
    | CheckCompleted
    | CheckFailed
    | ChecksFailed
    | TimedOut
)
"""Reasons that the phases of a reconcile give."""

EnvironmentReason = (
    PlainReason
    | LifecycleReason
    | PhaseReason
    | RolloutReason
    | SleepReason
    | SecretReason
    | InfrastructureReason
    | Reported
)

Describe = Callable[[EnvironmentReason], str]
"""Renders a reason as one sentence. Injected, since what is stored is text."""
