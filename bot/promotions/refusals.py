"""Refusals of requests. `bot/github/messages/refusals.py` renders their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.errors import GreenroomError
from bot.model.promotion import PromotionState
from bot.model.protection import Reviewers
from bot.model.reason import Reported
from bot.model.release import PromotableRelease


class StageProblem(StrEnum):
    NOTHING_RUNS = "nothing runs"
    NO_VERIFIED_RELEASE = "no verified release"
    ROLLING_BACK = "rolling back"
    NOT_LOCKED = "not locked"
    NOT_ON_HOLD = "not on hold"
    STILL_CONFIGURED = "still configured"
    RULES_UNREADABLE = "rules unreadable"
    MAY_NOT_SKIP = "may not skip"


@dataclass(frozen=True, slots=True)
class StageRefusal:
    problem: StageProblem
    stage: str


class PromotionProblem(StrEnum):
    NOT_AWAITING_APPROVAL = "not awaiting approval"
    CANNOT_REJECT = "cannot be rejected"
    CANNOT_PAUSE = "cannot be paused"
    NOT_PAUSED = "not paused"
    NOTHING_TO_SKIP = "nothing to skip"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class PromotionRefusal:
    problem: PromotionProblem
    promotion: str
    state: PromotionState
    stage: str


@dataclass(frozen=True, slots=True)
class UnknownTarget:
    """No stage or demo has this name."""

    kind: str
    """`stage` or `demo`."""
    name: str
    stages: tuple[str, ...]
    demos: tuple[str, ...] = ()
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class NoConfiguration:
    """The default branch has no `.greenroom.yml`."""

    name: str = ""
    """The stage that was requested; "" for none."""


@dataclass(frozen=True, slots=True)
class ConfigurationUnusable:
    """`.greenroom.yml` of the default branch has errors, or GitHub does not show it."""

    problem: str
    has_errors: bool


@dataclass(frozen=True, slots=True)
class DemoIsPinned:
    demo: str
    release: str
    line: int | None
    """Line of `.greenroom.yml`; None when the file cannot be used now."""


@dataclass(frozen=True, slots=True)
class StageActive:
    """A promotion of another user, or any, is active on the stage."""

    stage: str
    promotion: str
    by: str


@dataclass(frozen=True, slots=True)
class StageIsLocked:
    stage: str
    by: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class LockedByOther:
    """The user may not lift this lock."""

    stage: str
    by: str


@dataclass(frozen=True, slots=True)
class LockTooLong:
    days: int


@dataclass(frozen=True, slots=True)
class AlreadyOnHold:
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlreadyPaused:
    promotion: str
    by: str


class Objection(StrEnum):
    REQUESTER = "requester"
    AUTHOR = "author"
    NOT_APPROVER = "not an approver"


@dataclass(frozen=True, slots=True)
class ApprovalInvalid:
    objection: Objection
    teams: tuple[str, ...] = ()
    """From which an approval counts."""
    reviewers: Reviewers | None = None
    """Reviewers of the GitHub Environment, from whom an approval counts as well."""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class AmbiguousRelease:
    """The digits of a commit that an approval names belong to several releases."""

    stage: str
    named: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApprovalForOther:
    """The approver was not shown what the promotion deploys now."""

    stage: str
    release: PromotableRelease
    """The one of the promotion."""
    named: str = ""
    """What the approver named; "" when the comment is older than the promotion's content."""
    plan: str = ""
    """The first digits of the promotion's Terraform plan; "" without one."""


@dataclass(frozen=True, slots=True)
class OtherPullRequest:
    """The promotion belongs to another pull request."""

    stage: str
    number: int


@dataclass(frozen=True, slots=True)
class UnknownPullRequest:
    number: int
    repository: str = ""


@dataclass(frozen=True, slots=True)
class NoPromotion:
    """No promotion to which the action applies."""

    action: str
    stage: str | None


@dataclass(frozen=True, slots=True)
class AmbiguousPromotion:
    action: str
    stages: tuple[str, ...]


class ReleaseProblem(StrEnum):
    NO_PULL_REQUEST = "no pull request"
    UNKNOWN = "unknown"
    NOT_IN_HISTORY = "not in the history"
    CLOSED = "closed"
    HEAD_MOVED = "head moved"
    NO_PREVIEW = "no preview"
    OTHER_BRANCH = "other branch"
    CI_FAILED = "CI failed"
    FORK = "fork"
    NO_IMAGE = "no image"


@dataclass(frozen=True, slots=True)
class NoRelease:
    """No release can be promoted."""

    problem: ReleaseProblem
    commit: str = ""
    requested: str = ""
    """A release, tag or commit, as the user named it."""
    current: str = ""
    """The current head."""
    branches: tuple[str, str] = ("", "")
    """The pull request's base and the default branch."""
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NothingToCompare:
    """None of the stages runs a release."""

    stages: tuple[str, ...]
    problem: str = ""
    """Why the configuration cannot be read."""
    file_missing: bool = False


RefusalReason = (
    StageRefusal
    | PromotionRefusal
    | UnknownTarget
    | NoConfiguration
    | ConfigurationUnusable
    | DemoIsPinned
    | StageActive
    | StageIsLocked
    | LockedByOther
    | LockTooLong
    | AlreadyOnHold
    | AlreadyPaused
    | ApprovalInvalid
    | AmbiguousRelease
    | ApprovalForOther
    | OtherPullRequest
    | UnknownPullRequest
    | NoPromotion
    | AmbiguousPromotion
    | NoRelease
    | NothingToCompare
    | Reported
)


class Refusal(GreenroomError):
    """A request that is not executed; `reason` is for the user."""

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(repr(reason))
        self.reason = reason
