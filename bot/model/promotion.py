"""Promotions, and the stored record of a stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.environment import CheckResult, EnvironmentKey
from bot.model.parity import Comparison
from bot.model.protection import UNPROTECTED, Protection
from bot.model.release import PromotableRelease, Target
from bot.model.repository import Repository


class PromotionState(StrEnum):
    REQUESTED = "requested"
    GATING = "gating"
    AWAITING_APPROVAL = "awaiting approval"
    QUEUED = "queued"
    """Passed its gates; waiting for the stage to be free."""
    DEPLOYING = "deploying"
    VERIFYING = "verifying"
    SOAKING = "soaking"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    ABORTED = "aborted"
    FAILED = "failed"
    """Failed, and the stage has no release to roll back to."""
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    ROLLBACK_FAILED = "rollback failed"


PENDING = frozenset(
    {
        PromotionState.REQUESTED,
        PromotionState.GATING,
        PromotionState.AWAITING_APPROVAL,
        PromotionState.QUEUED,
    }
)
"""The stage is unchanged."""
ACTIVE = frozenset(
    {
        PromotionState.DEPLOYING,
        PromotionState.VERIFYING,
        PromotionState.SOAKING,
        PromotionState.ROLLING_BACK,
    }
)
"""The promotion is changing the stage. A stage has at most one of these."""
ENDED = frozenset(PromotionState) - PENDING - ACTIVE


class PromotionKind(StrEnum):
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    """A requested rollback, without a failure."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A user's approval of one release on one stage with one configuration, valid for 24 hours."""

    by: str
    at: datetime
    release_id: str
    configuration_digest: str
    teams: tuple[str, ...] = ()
    """The required teams that the approver was a member of."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of a gate, with a reason that a user can act on."""

    name: str
    passed: bool
    reason: str = ""
    """For a gate that passed: a warning."""
    final: bool = False
    """The gate cannot pass later: the promotion is rejected."""
    until: datetime | None = None
    """When it passes without further action."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One entry of a promotion's timeline."""

    at: datetime
    event: str
    by: str = ""
    """The user; "" for the bot."""


@dataclass(frozen=True, slots=True)
class Promotion:
    id: str
    """Ten hexadecimal digits derived from the request: repeating a request gives the same promotion."""
    stage: EnvironmentKey
    repository: Repository
    kind: PromotionKind
    state: PromotionState
    requested_by: str
    """ "" for an automatic promotion."""
    requested_at: datetime
    since: datetime
    """When it entered its state."""
    deadline: datetime
    """When its state times out."""
    number: int | None = None
    """The pull request that shows its progress."""
    head: str | None = None
    """The head that the requester could see."""
    requested_release: str | None = None
    """The requested release: its id, a tag or a commit; None is the pull request's own release."""
    commit: str | None = None
    """The head of the default branch that started an automatic promotion."""
    release: PromotableRelease | None = None
    note: str = ""
    """Why it is not the pull request's release."""
    policy: str = ""
    """`.greenroom.yml` at the time of the request, which defines the gates."""
    configuration: str = ""
    """`.greenroom.yml` at the time of the deployment."""
    configuration_digest: str = ""
    """Digest of the stage's section; approvals are bound to it."""
    authors: tuple[str, ...] = ()
    """Authors of the release's commits; they cannot approve it."""
    approvals: tuple[Approval, ...] = ()
    protection: Protection = UNPROTECTED
    """The rules of the stage's GitHub Environment at the last read."""
    missing: tuple[str, ...] = ()
    """Missing approvals and possible approvers, in sentences."""
    gates: tuple[GateResult, ...] = ()
    parity: tuple[Comparison, ...] = ()
    """Comparisons with the stages before, for this release."""
    reason: str = ""
    """Why it ended or failed, in one sentence."""
    detail: str = ""
    """A log tail."""
    paused_by: str = ""
    paused_at: datetime | None = None
    rollback_target: Target | None = None
    """What the stage is rolled back to on failure."""
    ephemeral: bool = False
    """The stage exists for this promotion only."""
    removed_by: str = ""
    """The user who deleted the stage since."""
    pinned: bool = False
    """`.greenroom.yml` pins the demo and requested it; `requested_by` changed the file."""
    placed_hold: bool = False
    """It put its stage on hold: it was rolled back, or there was nothing to roll back to."""
    waiting_for: str = ""
    """What its stage waits for, if that takes long; a sentence without a full stop."""
    checks: tuple[CheckResult, ...] = ()
    url: str | None = None
    timeline: tuple[TimelineEntry, ...] = ()

    @property
    def automatic(self) -> bool:
        return not self.requested_by

    @property
    def address(self) -> str | None:
        """The stage's URL; None for an ephemeral stage after the promotion."""
        return None if self.ephemeral and self.state in ENDED else self.url


@dataclass(frozen=True, slots=True)
class Lock:
    """A user's lock on a stage. It expires."""

    by: str
    since: datetime
    until: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Blocks automatic promotions to the stage until a user lifts it."""

    by: str
    """ "" when a failed verification set it."""
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class VerifiedTarget:
    """A release that ran on the stage and passed its verification."""

    target: Target
    promotion: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pin:
    """A demo's pin in `.greenroom.yml`."""

    release: str
    """The release, as written there."""
    digest: str
    """Digest of the demo's other fields."""
    promotion: str = ""
    """The promotion that it requested; "" while that is not possible."""
    problem: str = ""
    """Why that is not possible."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """The stored record of a stage or demo, besides its environment."""

    key: EnvironmentKey
    repository: Repository
    namespace: str = ""
    target: Target | None = None
    """The desired release of its environment; None if the stage does not exist."""
    since: datetime | None = None
    """When the target was set."""
    serial: int = 0
    """Serial number of the last target."""
    active_promotion: str | None = None
    """The promotion that is changing the stage."""
    verified: tuple[VerifiedTarget, ...] = ()
    """Rollbacks go to the last one. Releases that were rolled back are not included."""
    lock: Lock | None = None
    hold: Hold | None = None
    pin: Pin | None = None
    """The pin that was followed last, for a pinned demo."""

    @property
    def name(self) -> str:
        return self.key.name

    def has_verified(self, release_id: str) -> bool:
        return any(verified.target.release.id == release_id for verified in self.verified)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An action or decision on a stage. Never changed."""

    at: datetime
    repository_id: int
    stage: str
    promotion: str
    actor: str
    """ "" for the bot."""
    action: str
    reason: str = ""
    before: str = ""
    after: str = ""
    token: str = ""
    """Identifies the comment or call that requested it; "" for the bot."""
