"""Reasons why a gate does not pass. `bot/github/messages/gate_reasons.py` renders them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.clusters import NotGranted
from bot.model.commit import UnknownAuthor
from bot.model.parity import Comparison
from bot.model.promotion import PromotionKind
from bot.model.protection import Branch, Protection
from bot.model.pull_request import PullRequest
from bot.model.reason import Reported
from bot.promotions.provenance import Doubt


class Unreadable(StrEnum):
    """What GitHub does not show."""

    RULES = "rules"
    BRANCH = "branch of the release"
    AUTHORS = "authors of the commits"
    REVIEWS = "reviews of the pull request"
    SOURCE = "pull request that brought the commit"
    CHECKS = "checks of the commit"
    PREVIEW = "checks of the preview"
    APPROVERS = "current role and teams of the approvers"


@dataclass(frozen=True, slots=True)
class CannotRead:
    subject: Unreadable
    stage: str


@dataclass(frozen=True, slots=True)
class NotVerified:
    """The release has not passed the stages before."""

    release_id: str
    stages: tuple[str, ...]
    any_of: bool = False
    """One of the stages is sufficient."""


@dataclass(frozen=True, slots=True)
class ForkOnDemo:
    """A demo runs no release that a fork's CI built."""


@dataclass(frozen=True, slots=True)
class ForkWithSecrets:
    """A stage with secrets runs no release that a fork's CI built."""

    stage: str


@dataclass(frozen=True, slots=True)
class ForkWithInfrastructure:
    """A stage with infrastructure runs no release that a fork's CI built."""

    stage: str


@dataclass(frozen=True, slots=True)
class PlanMissing:
    """The Terraform plan is not made yet."""

    message: str = ""
    """Progress of the plan; "" before the other requirements are met."""


@dataclass(frozen=True, slots=True)
class PlanImpossible:
    """Terraform cannot plan the release's module."""

    message: str


@dataclass(frozen=True, slots=True)
class PlanForbidden:
    """The plan destroys or replaces something under `destroy: refuse`."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PullRequestClosed:
    number: int | None


@dataclass(frozen=True, slots=True)
class BuiltForFork:
    """A fork's CI built the release."""


@dataclass(frozen=True, slots=True)
class NotReviewed:
    """No review covers the commit."""

    commit: str
    doubt: Doubt
    pull: PullRequest | None
    """The pull request that brought the commit."""


@dataclass(frozen=True, slots=True)
class TooFewReviews:
    commit: str
    approving: int
    outdated: tuple[str, ...] = ()
    """Reviewers who approved before the pull request got its current base."""


@dataclass(frozen=True, slots=True)
class UnknownAuthors:
    """An unknown person may review or approve their own work, until a maintainer vouches for it."""

    unknown: tuple[UnknownAuthor, ...]
    commit: str
    """For which a maintainer vouches."""
    number: int | None
    """The pull request that brought it."""


@dataclass(frozen=True, slots=True)
class ReviewRequired:
    """The stage requires reviews, and the release has none that count."""

    required: int | None
    """None: the stage is protected."""
    problem: BuiltForFork | NotReviewed | TooFewReviews


@dataclass(frozen=True, slots=True)
class ChecksFailed:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChecksPending:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PreviewChecksFailed:
    """Checks failed in the preview of the commit."""

    commit: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PreviewChecksUnknown:
    """These checks have no result for the release: no preview ran them."""

    commit: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnsupportedRules:
    """Only GitHub's own workflows can follow these rules."""

    environment: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BranchNotAllowed:
    environment: str
    protection: Protection
    branch: Branch


@dataclass(frozen=True, slots=True)
class WaitTimer:
    environment: str
    until: datetime


@dataclass(frozen=True, slots=True)
class ParityMismatch:
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class ParityPending:
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Behind:
    """The release lacks commits that run on the stage."""

    stage: str
    running: str
    """The commit that runs there."""
    count: int


@dataclass(frozen=True, slots=True)
class HostTaken:
    host: str
    stage: str


@dataclass(frozen=True, slots=True)
class ClusterRefused:
    refusal: NotGranted


@dataclass(frozen=True, slots=True)
class MoveUnconfirmed:
    """The configuration names a cluster on which the stage does not run."""

    stage: str
    present: str
    cluster: str


@dataclass(frozen=True, slots=True)
class OnHold:
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class StageDrifted:
    """Live objects of the stage differ from what was deployed, or that is not known."""

    stage: str
    objects: tuple[str, ...]
    """Those that differ; empty if it is not known."""
    problem: str = ""
    """Why it is not known."""


@dataclass(frozen=True, slots=True)
class StageLocked:
    stage: str
    by: str
    until: datetime
    reason: str
    show_unlock: bool = False


@dataclass(frozen=True, slots=True)
class StageFrozen:
    until: datetime
    zone: str
    reason: str


@dataclass(frozen=True, slots=True)
class StageBusy:
    """Another promotion or rollback is active."""

    stage: str
    kind: PromotionKind
    promotion: str
    by: str


GateReason = (
    CannotRead
    | NotVerified
    | ForkOnDemo
    | ForkWithSecrets
    | ForkWithInfrastructure
    | PlanMissing
    | PlanImpossible
    | PlanForbidden
    | PullRequestClosed
    | UnknownAuthors
    | ReviewRequired
    | ChecksFailed
    | ChecksPending
    | PreviewChecksFailed
    | PreviewChecksUnknown
    | UnsupportedRules
    | BranchNotAllowed
    | WaitTimer
    | ParityMismatch
    | ParityPending
    | Behind
    | HostTaken
    | ClusterRefused
    | MoveUnconfirmed
    | OnHold
    | StageDrifted
    | StageLocked
    | StageFrozen
    | StageBusy
    | Reported
)
