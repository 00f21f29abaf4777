"""Drift: how live objects differ from what the last successful deployment applied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.model.environment import EnvironmentKey
from bot.model.repository import Repository

OUTDATED = 3
"""Number of intervals without a comparison after which the last result no longer counts."""


class DriftAction(StrEnum):
    """What Greenroom does about drift of a stage."""

    ALERT = "alert"
    """Reports it in an issue."""
    HEAL = "heal"
    """Applies the declared objects again, and reports that."""
    IGNORE = "ignore"
    """Does not look for it."""


class DriftKind(StrEnum):
    CHANGED = "changed"
    """A declared field has another value, or is missing."""
    REMOVED = "removed"
    """A declared object is missing."""
    ADDED_FIELD = "added field"
    """A field, such as a container or a variable, that is not declared."""
    ADDED_OBJECT = "added object"
    """An object in the namespace that is not declared."""
    IMAGE = "image"
    """A container runs an image other than the release's."""


class DriftState(StrEnum):
    CLEAN = "clean"
    DRIFTED = "drift"
    UNKNOWN = "unknown"
    """Something could not be read or compared. It is never reported as clean."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. Its texts come from the cluster and may be hostile; they never contain a secret."""

    kind: DriftKind
    object: str
    """Kind and name, such as `Deployment/shop`."""
    path: str = ""
    """The field, such as `spec.replicas`; "" for a whole object."""
    expected: str = ""
    """The declared value; "" if there is none or if it is not shown."""
    actual: str = ""
    """The live value, as above."""
    manager: str = ""
    """The field manager that wrote it; "" if the API server does not record one."""
    at: datetime | None = None
    """When it was written, as the API server recorded it."""
    resource: bool = False
    """Whether `object` is the address of a resource of the Terraform module."""

    @property
    def identity(self) -> tuple[DriftKind, str, str]:
        """The same finding in the next round, whatever the value is then."""
        return self.kind, self.object, self.path


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What could not be compared, and why."""

    subject: str
    problem: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of one comparison of an environment's objects."""

    findings: tuple[Finding, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class Heal:
    """One repair: what was applied again, and what could not be."""

    at: datetime
    healed: tuple[str, ...] = ()
    """Objects that were applied again."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ResourceComparison:
    """What plans showed about the resources that the Terraform module of a stage manages."""

    applied: str = ""
    """The run that applied the module last; what was found after another one does not count."""
    run: int = 0
    """The number of the plan that is under way; 0 for none."""
    checked_at: datetime | None = None
    """When the last plan ended; None before the first one."""
    suspected: tuple[Finding, ...] = ()
    confirmed: tuple[Finding, ...] = ()
    problem: str = ""
    """Why it is unknown whether resources differ; "" if it is known."""


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """What is known of the drift of one stage or demo."""

    key: EnvironmentKey
    repository: Repository
    deployment: str = ""
    """Identifies the deployment that was compared; findings of another one do not count."""
    checked_at: datetime | None = None
    """The last comparison; None before the first one."""
    suspected: tuple[Finding, ...] = ()
    """Seen once: they count when the next comparison finds them again."""
    confirmed: tuple[Finding, ...] = ()
    """Seen in two comparisons in a row."""
    unreadable: tuple[Unreadable, ...] = ()
    since: datetime | None = None
    """When the current drift was first confirmed."""
    heals: tuple[Heal, ...] = ()
    """The repairs of the last day."""
    issue: int | None = None
    """The number of the stage's issue; 0 while it is being created."""
    issue_digest: str = ""
    """Digest of what the issue shows."""
    issue_problem: str = ""
    """Why the issue could not be written."""
    action: DriftAction = DriftAction.ALERT
    resources: ResourceComparison | None = None
    """None for a stage without infrastructure. Its findings are in `suspected` and `confirmed` too."""

    def state_at(self, now: datetime, interval: timedelta) -> DriftState:
        """The state to act on: an old result shows nothing about the present."""
        if self.checked_at is not None and now - self.checked_at > OUTDATED * interval:
            return DriftState.UNKNOWN
        return self.state

    @property
    def state(self) -> DriftState:
        if self.confirmed:
            return DriftState.DRIFTED
        if self.unreadable or self.checked_at is None:
            return DriftState.UNKNOWN
        return DriftState.CLEAN
