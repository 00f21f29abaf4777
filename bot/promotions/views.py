"""Data of stages for display: pages, command line, `/status` and `/why` present it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.model.drift import DriftRecord
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.promotion import AuditEntry, Hold, Lock, Pin, Promotion, VerifiedTarget
from bot.model.release import PromotableRelease
from bot.promotions.approvals import ApprovalRequirement
from bot.promotions.reasons import MissingApproval
from bot.promotions.refusals import ConfigurationUnusable


@dataclass(frozen=True, slots=True)
class PendingPromotion:
    """A promotion that has not ended."""

    promotion: Promotion
    missing: tuple[MissingApproval, ...]
    until: datetime
    """End of the soak, or of the state's timeout."""
    requirement: ApprovalRequirement | None = None
    """Users whose approvals are missing; None when no approval is missing."""


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage at one moment. Names and reasons in its texts may be hostile."""

    key: EnvironmentKey
    repository: str
    configured: bool
    """Whether the current configuration has it."""
    state: EnvironmentState | None
    """State of its environment; None before it exists."""
    problem: str
    """Why the environment waits or failed, in a sentence; "" otherwise."""
    url: str | None
    cluster: str
    """ "" for the only cluster, and where nothing runs."""
    addresses: Mapping[str, str]
    """Further URLs by the names of their routes."""
    release: PromotableRelease | None
    """Desired release; None when the stage has none."""
    running: PromotableRelease | None
    """Release that responded last; differs from the desired one during a rollout. None when unknown."""
    since: datetime | None
    """Time of the last change of the desired release."""
    verified_at: datetime | None
    """When the release was verified there; None when it was not."""
    active: PendingPromotion | None
    """The active promotion."""
    waiting: tuple[PendingPromotion, ...]
    """Pending promotions, the oldest first."""
    lock: Lock | None
    hold: Hold | None
    pin: Pin | None
    """Release to which `.greenroom.yml` pins a demo."""
    verified: tuple[VerifiedTarget, ...]
    """The newest first."""
    rollback_target: VerifiedTarget | None = None
    """To what `/rollback` returns it while no promotion is active; None when it is refused."""
    promotions: tuple[Promotion, ...] = ()
    """The newest first."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The versions of the secrets that it runs with, by variable; "" where there are none."""
    drift: DriftRecord | None = None
    """The last comparison with what was deployed; None before the first one."""
    audit: tuple[AuditEntry, ...] = ()
    """The newest first."""
    after: tuple[str, ...] = ()
    """Stages that come before it in the pipeline."""
    followed_by: tuple[str, ...] = ()
    """Stages that come after it."""

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def pending_promotions(self) -> tuple[PendingPromotion, ...]:
        return (*((self.active,) if self.active is not None else ()), *self.waiting)

    def has_verified(self, release_ids: Collection[str]) -> bool:
        return any(entry.target.release.id in release_ids for entry in self.verified)


@dataclass(frozen=True, slots=True)
class PipelineView:
    """All stages of a repository, in the order of its pipeline."""

    stages: tuple[StageView, ...] = ()
    own_releases: tuple[PromotableRelease, ...] = ()
    """Releases of the pull request."""
    problem: ConfigurationUnusable | None = None
    """Why the current configuration is not known."""

    def promotions_of(self, number: int) -> tuple[PendingPromotion, ...]:
        """The promotions of a pull request that have not ended."""
        return tuple(
            pending
            for stage in self.stages
            for pending in stage.pending_promotions
            if pending.promotion.number == number
        )
