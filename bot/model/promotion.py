"""Promotions of releases to stages, and the records of stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from bot.model.environment import CheckResult, EnvironmentKey
from bot.model.parity import Comparison
from bot.model.plan import PlannedChange
from bot.model.protection import UNPROTECTED, Protection
from bot.model.release import PromotableRelease, Target
from bot.model.repository import Repository
from bot.model.rollout import RolloutReport


class PromotionState(StrEnum):
    REQUESTED = "requested"
    GATING = "gating"
    AWAITING_APPROVAL = "awaiting approval"
    QUEUED = "queued"
    """All gates and approvals passed; waits until the stage is free."""
    DEPLOYING = "deploying"
    ROLLING_OUT = "rolling out"
    """The candidate of a progressive rollout gets traffic step by step."""
    VERIFYING = "verifying"
    SOAKING = "soaking"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    ABORTED = "aborted"
    FAILED = "failed"
    """Final only without a verified release to which the stage can return."""
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
        PromotionState.ROLLING_OUT,
        PromotionState.VERIFYING,
        PromotionState.SOAKING,
        PromotionState.ROLLING_BACK,
    }
)
"""The promotion changes its stage. A stage has at most one active promotion."""
ENDED = frozenset(PromotionState) - PENDING - ACTIVE


class PromotionKind(StrEnum):
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    """Requested by a user; begins by rolling back."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A user's approval of one release on one stage with one configuration; valid for a day."""

    by: str
    at: datetime
    release_id: str
    configuration_digest: str
    teams: tuple[str, ...] = ()
    """The required teams that the approver was a member of."""
    plan: str = ""
    """Digest of the Terraform plan that was shown; "" for a stage without infrastructure."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """Result of a gate, with a reason on which a user can act."""

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
    """One line of a promotion's timeline."""

    at: datetime
    event: str
    by: str = ""
    """The user; "" for the bot."""


@dataclass(frozen=True, slots=True)
class Successor:
    """What followed a verified release on its stage."""

    release_id: str
    rolled_back_by: str = ""
    """The user who rolled the stage back to it; "" when it was promoted."""


class Confirmed(TypedDict, total=False):
    """What the user of a promotion agrees to."""

    replaces_objects: bool
    moves: bool


@dataclass(frozen=True, slots=True)
class Promotion:
    id: str
    """Ten hexadecimal digits, derived from the request: the same request is the same promotion."""
    stage: EnvironmentKey
    repository: Repository
    kind: PromotionKind
    state: PromotionState
    requested_by: str
    """ "" for the pipeline."""
    requested_at: datetime
    since: datetime
    """When it entered its state."""
    deadline: datetime
    """When its state times out."""
    number: int | None = None
    """The pull request on which it is reported."""
    head: str | None = None
    """The head that the requester saw."""
    requested_release: str | None = None
    """A release's id, a tag or a commit; None for the pull request's own release."""
    commit: str | None = None
    """The head of the default branch that the pipeline promotes."""
    release: PromotableRelease | None = None
    replaces_objects: bool = False
    """Whether it deletes and recreates objects whose immutable fields changed."""
    moves: bool = False
    """Whether it may move the stage to another cluster."""
    moved_from: str = ""
    """The cluster that the stage leaves with it; its namespace stays there."""
    note: str = ""
    """Why it is not the pull request's own release."""
    policy: str = ""
    """`.greenroom.yml` at the time of the request; it decides about gates."""
    configuration: str = ""
    """`.greenroom.yml` at the time of the deployment."""
    configuration_digest: str = ""
    """Digest of the stage's section; approvals are bound to it."""
    content_since: datetime | None = None
    """Time since which it has this release, digest and plan; older approvals are for other content."""
    plan: PlannedChange | None = None
    """What its Terraform plan changes: part of what is approved."""
    authors: tuple[str, ...] = ()
    """Authors of the release's commits; they cannot approve it."""
    approvals: tuple[Approval, ...] = ()
    protection: Protection = UNPROTECTED
    """Rules of the GitHub Environment with the stage's name, as read last."""
    missing: tuple[str, ...] = ()
    """Missing approvals, one text for each."""
    gates: tuple[GateResult, ...] = ()
    parity: tuple[Comparison, ...] = ()
    """Comparisons with the previous stages."""
    reason: str = ""
    """Why it ended, without a full stop."""
    detail: str = ""
    """A log tail."""
    paused_by: str = ""
    paused_at: datetime | None = None
    resumed: int = 0
    """How many times users resumed it."""
    analysis_skipped_by: str = ""
    """Who skipped the remaining analysis of its rollout."""
    rollout: RolloutReport | None = None
    """The progressive rollout, as last seen."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The versions of the secrets that its release ran with, by variable; "" where there are none."""
    current_secrets: tuple[str, ...] = ()
    """Variables that a rollback left at their current values, because no version is pinned."""
    rollback_target: Target | None = None
    """Target to which the stage returns when the promotion fails."""
    ephemeral: bool = False
    """The stage exists for this promotion only."""
    removed_by: str = ""
    """The user who deleted the stage with this release."""
    successor: Successor | None = None
    """What followed the verified release on its stage; None until then."""
    pinned: bool = False
    """Requested because `.greenroom.yml` pins the demo to the release."""
    placed_hold: bool = False
    """Whether it placed the stage on hold."""
    waiting_for: str = ""
    """What the stage or the unread release is waiting for, without a full stop."""
    checks: tuple[CheckResult, ...] = ()
    url: str | None = None
    timeline: tuple[TimelineEntry, ...] = ()

    @property
    def awaits_plan(self) -> bool:
        """Whether its stage waits for the approval of a plan that was made during the deployment."""
        planned = self.plan is not None and self.plan.needs_approval
        return planned and self.state in ACTIVE and bool(self.missing)

    @property
    def automatic(self) -> bool:
        return not self.requested_by

    @property
    def address(self) -> str | None:
        """URL of the stage; None after an ephemeral stage was deleted."""
        return None if self.ephemeral and self.state in ENDED else self.url


@dataclass(frozen=True, slots=True)
class Lock:
    """Reserves a stage for one user until it expires."""

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
    """Release to which `.greenroom.yml` pins a demo."""

    release: str
    """The release, as written there."""
    digest: str
    """Digest of the demo's other fields."""
    promotion: str = ""
    """Id of the promotion that follows the pin; "" while that is not possible."""
    problem: str = ""
    """Why it is not possible to follow the pin."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """A stage or demo, except for its environment."""

    key: EnvironmentKey
    repository: Repository
    namespace: str = ""
    target: Target | None = None
    """What its environment runs; None without an environment."""
    since: datetime | None = None
    """Time of the last change of the target."""
    serial: int = 0
    """Serial number of the last target."""
    active_promotion: str | None = None
    """The active promotion's id."""
    verified: tuple[VerifiedTarget, ...] = ()
    """The last entry is the rollback target; a release that was rolled back is removed."""
    lock: Lock | None = None
    hold: Hold | None = None
    pin: Pin | None = None
    """The pin of a demo in `.greenroom.yml`, as followed last."""
    revision: int = 0
    """Incremented with each change of the stage or of its promotions."""

    @property
    def name(self) -> str:
        return self.key.name

    def has_verified(self, release_id: str) -> bool:
        return any(entry.target.release.id == release_id for entry in self.verified)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An action or decision about a stage; immutable."""

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
    """Token of the comment or call that requested it; "" for the bot."""
