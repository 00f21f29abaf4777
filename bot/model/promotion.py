"""The request to bring a stage to a release, and what is known of the stage."""

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
    """Let through; waits until the stage is free."""
    DEPLOYING = "deploying"
    VERIFYING = "verifying"
    SOAKING = "soaking"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    ABORTED = "aborted"
    FAILED = "failed"
    """It ends here only where there is nothing to go back to."""
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
"""Nothing of the stage was touched yet."""
ACTIVE = frozenset(
    {
        PromotionState.DEPLOYING,
        PromotionState.VERIFYING,
        PromotionState.SOAKING,
        PromotionState.ROLLING_BACK,
    }
)
"""The stage is in its hands. There is at most one of these on a stage."""
ENDED = frozenset(PromotionState) - PENDING - ACTIVE


class PromotionKind(StrEnum):
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    """Begins by rolling back: it was asked for, nothing had failed."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody's yes to one release on one stage with one configuration, for a day."""

    by: str
    at: datetime
    release_id: str
    configuration_digest: str
    teams: tuple[str, ...] = ()
    """Those of the teams asked for that the person was in."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a gate said, told so that a person can act on it."""

    name: str
    passed: bool
    reason: str = ""
    """Of one that passed: a warning."""
    final: bool = False
    """Waiting does not help: the promotion is rejected."""
    until: datetime | None = None
    """When it opens by itself."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a promotion's story."""

    at: datetime
    event: str
    by: str = ""
    """The person; "" when the bot went on by itself."""


@dataclass(frozen=True, slots=True)
class Promotion:
    id: str
    """Ten hexadecimal digits made of what asked for it: the same request is the same promotion."""
    stage: EnvironmentKey
    repository: Repository
    kind: PromotionKind
    state: PromotionState
    requested_by: str
    """ "" when the pipeline went on by itself."""
    requested_at: datetime
    since: datetime
    """When it came into its state."""
    deadline: datetime
    """The end of its state, whatever happens."""
    number: int | None = None
    """The pull request that tells its story."""
    head: str | None = None
    """The head that whoever asked could see."""
    requested_release: str | None = None
    """The release that was asked for, by its id, a tag or a commit; None is the pull request's own."""
    commit: str | None = None
    """The head of the default branch with which the pipeline begins by itself."""
    release: PromotableRelease | None = None
    note: str = ""
    """Why it is this release and not the pull request's."""
    policy: str = ""
    """`.greenroom.yml` as it was when the promotion was asked for: its gates stay with it."""
    configuration: str = ""
    """`.greenroom.yml` that it deploys with."""
    configuration_digest: str = ""
    """Of the stage's own part of it, to which approvals are bound."""
    authors: tuple[str, ...] = ()
    """Of the release's commits; they cannot approve it."""
    approvals: tuple[Approval, ...] = ()
    protection: Protection = UNPROTECTED
    """What the GitHub Environment of the stage's name asked for when it was read last."""
    missing: tuple[str, ...] = ()
    """What still has to be approved and by whom, in sentences."""
    gates: tuple[GateResult, ...] = ()
    parity: tuple[Comparison, ...] = ()
    """With the stages before, as the release ran there."""
    reason: str = ""
    """Why it ended, or failed, in one sentence."""
    detail: str = ""
    """A log tail to quote."""
    paused_by: str = ""
    paused_at: datetime | None = None
    rollback_target: Target | None = None
    """What the stage goes back to when it fails."""
    ephemeral: bool = False
    """The stage stands for this promotion only."""
    removed_by: str = ""
    """Who had the stage taken away since, with what the promotion brought there."""
    pinned: bool = False
    """`.greenroom.yml` asked for it on behalf of whoever changed it, and is what moves the demo again."""
    placed_hold: bool = False
    """It put its stage on hold: it went back, or would have if there were anything to go back to."""
    waiting_for: str = ""
    """What its stage waits for, where that takes long, in a sentence without its full stop."""
    checks: tuple[CheckResult, ...] = ()
    url: str | None = None
    timeline: tuple[TimelineEntry, ...] = ()

    @property
    def automatic(self) -> bool:
        return not self.requested_by

    @property
    def address(self) -> str | None:
        """Where its stage is reached; None once that was taken away with the end of the promotion."""
        return None if self.ephemeral and self.state in ENDED else self.url


@dataclass(frozen=True, slots=True)
class Lock:
    """A person keeps a stage to themselves for a time."""

    by: str
    since: datetime
    until: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing automatic moves the stage until somebody lifts it."""

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
    """What `.greenroom.yml` asks of a demo."""

    release: str
    """As it stands there."""
    digest: str
    """Of what else stands there about the demo."""
    promotion: str = ""
    """The one that was asked for on its behalf; "" while it cannot be followed."""
    problem: str = ""
    """Why it cannot."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What is known of a stage or demo beside its environment."""

    key: EnvironmentKey
    repository: Repository
    namespace: str = ""
    target: Target | None = None
    """What its environment is to run; None while it does not stand."""
    since: datetime | None = None
    """When it was told so."""
    serial: int = 0
    """Of the last target."""
    active_promotion: str | None = None
    """The promotion that has the stage in its hands."""
    verified: tuple[VerifiedTarget, ...] = ()
    """The last one is what the stage goes back to; a release that was taken back is not in it any more."""
    lock: Lock | None = None
    hold: Hold | None = None
    pin: Pin | None = None
    """What `.greenroom.yml` asked for last, where it pins a demo."""

    @property
    def name(self) -> str:
        return self.key.name

    def has_verified(self, release_id: str) -> bool:
        return any(each.target.release.id == release_id for each in self.verified)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that was done or decided about a stage. Written once, never changed."""

    at: datetime
    repository_id: int
    stage: str
    promotion: str
    actor: str
    """ "" when the bot decided by itself."""
    action: str
    reason: str = ""
    before: str = ""
    after: str = ""
    token: str = ""
    """Of the comment or call that asked for it; "" when the bot went on by itself."""
