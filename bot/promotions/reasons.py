"""Typed reasons, timeline events and notes of promotions.

`bot/github/messages/promotion_reasons.py` renders them; their texts are stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from bot.model.environment import EnvironmentKind
from bot.model.plan import PlanSummary
from bot.model.promotion import PromotionKind, PromotionState, Successor
from bot.model.protection import Protection, Reviewers
from bot.model.reason import Reported
from bot.promotions.gate_reasons import GateReason
from bot.promotions.refusals import RefusalReason, UnknownTarget


@dataclass(frozen=True, slots=True)
class AlreadyRequested:
    """Another user's promotion or rollback of the stage has not ended."""

    by: str
    kind: PromotionKind
    state: PromotionState
    stage: str


@dataclass(frozen=True, slots=True)
class Superseded:
    by: str = ""
    """The user who promotes; "" for a newer release of the pipeline."""


@dataclass(frozen=True, slots=True)
class NoLongerConfigured:
    kind: EnvironmentKind
    name: str


@dataclass(frozen=True, slots=True)
class RecordLost:
    """The promotion ended after the backup was made that the store was restored from."""


@dataclass(frozen=True, slots=True)
class RequirementsNotMet:
    """Texts of the gates that did not pass."""

    gates: tuple[str, ...]
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class ServiceUnavailable:
    """A registry, GitHub or a cluster cannot be read; the promotion is judged when it answers again."""

    problem: str


@dataclass(frozen=True, slots=True)
class ReleaseNotBuilt:
    """CI has not pushed the images of the commit yet."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    state: PromotionState
    waiting_for: str


@dataclass(frozen=True, slots=True)
class CheckFailed:
    check: str
    summary: str


@dataclass(frozen=True, slots=True)
class RolloutFailed:
    """The environment failed without a reason of its own."""


@dataclass(frozen=True, slots=True)
class PromotionFailed:
    """Why a stage is on hold."""

    release_id: str
    reason: str


class UserAction(StrEnum):
    REJECTED = "rejected"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True)
class EndedBy:
    """A user ended the promotion."""

    by: str
    action: UserAction
    stage: str
    reason: str = ""
    stage_kept: bool = False
    """There was no verified release to which the stage could return."""


@dataclass(frozen=True, slots=True)
class RolledBackFrom:
    by: str
    release_id: str


@dataclass(frozen=True, slots=True)
class HeldBy:
    by: str


@dataclass(frozen=True, slots=True)
class ApprovalsMissing:
    """Approvals that `.greenroom.yml` still requires."""

    given: int
    count: int
    teams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnvironmentApprovalMissing:
    """The approval that the GitHub Environment still requires."""

    environment: str
    reviewers: Reviewers


MissingApproval = ApprovalsMissing | EnvironmentApprovalMissing


@dataclass(frozen=True, slots=True)
class RequestedEvent:
    kind: PromotionKind
    stage: str
    release_id: str = ""
    """Release to which a rollback returns the stage."""


@dataclass(frozen=True, slots=True)
class StateEvent:
    state: PromotionState
    reason: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another release followed the verified one."""

    successor: Successor


@dataclass(frozen=True, slots=True)
class StageDeleted:
    stage: str


@dataclass(frozen=True, slots=True)
class ConfigurationChanged:
    stage: str
    approvals_revoked: bool


@dataclass(frozen=True, slots=True)
class PlanMade:
    """What the promotion changes in the stage's infrastructure."""

    summary: PlanSummary
    revoked: bool
    """Whether approvals of another plan no longer count."""


@dataclass(frozen=True, slots=True)
class RulesChanged:
    environment: str
    protection: Protection
    revoked: tuple[str, ...]
    """Users whose approval does not count under the new rules."""


@dataclass(frozen=True, slots=True)
class GatesEvaluated:
    """Texts of all gates that have one; none when all pass."""

    gates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Approved:
    given: int
    count: int
    """0: `.greenroom.yml` requires none from this user."""
    environment: str = ""
    """The GitHub Environment whose rule the approval satisfies."""


@dataclass(frozen=True, slots=True)
class ApprovalRevoked:
    """The approver lost write access, or left the teams whose members may approve."""

    by: str
    lost_access: bool


@dataclass(frozen=True, slots=True)
class Paused:
    """A user paused the promotion."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A user resumed the promotion."""


@dataclass(frozen=True, slots=True)
class AnalysisSkipped:
    """A user skipped the remaining analysis of a rollout."""


@dataclass(frozen=True, slots=True)
class StepStarted:
    """The candidate of a rollout got a share of the traffic."""

    weight: int


@dataclass(frozen=True, slots=True)
class RolloutNotice:
    """The rollout paused itself or restored weights."""

    text: str


Event = (
    RequestedEvent
    | StateEvent
    | Replaced
    | StageDeleted
    | ConfigurationChanged
    | PlanMade
    | RulesChanged
    | GatesEvaluated
    | Approved
    | ApprovalRevoked
    | Paused
    | Resumed
    | AnalysisSkipped
    | StepStarted
    | RolloutNotice
)


@dataclass(frozen=True, slots=True)
class SameContent:
    """Merging left the content as reviewers saw it."""

    merge_commit: str
    branch: str
    tree: str


class BuildCause(StrEnum):
    """Why CI's build of the default branch is taken."""

    NO_PULL_REQUEST = "no pull request"
    NO_PREVIEW = "no preview"
    FORK = "fork"
    CONTENT_CHANGED = "content changed"


@dataclass(frozen=True, slots=True)
class DefaultBranchBuild:
    """The release is CI's build of a commit of the default branch."""

    cause: BuildCause
    commit: str
    branch: str = ""
    head: str = ""
    """Head of the pull request that brought the commit."""
    trees: tuple[str, str] = ("", "")
    """Before and after the merge."""


@dataclass(frozen=True, slots=True)
class TagNamed:
    tag: str
    commit: str
    note: SameContent | DefaultBranchBuild | None = None


Note = SameContent | DefaultBranchBuild | TagNamed


@dataclass(frozen=True, slots=True)
class DemoPinned:
    """`.greenroom.yml` pins the demo to the release."""

    demo: str
    release: str
    commit: str
    note: Note | None = field(default=None)


PromotionReason = (
    AlreadyRequested
    | Superseded
    | NoLongerConfigured
    | RecordLost
    | RequirementsNotMet
    | ServiceUnavailable
    | ReleaseNotBuilt
    | TimedOut
    | CheckFailed
    | RolloutFailed
    | PromotionFailed
    | EndedBy
    | RolledBackFrom
    | HeldBy
    | MissingApproval
    | Event
    | Note
    | DemoPinned
    | UnknownTarget
    | GateReason
    | RefusalReason
    | Reported
)

Describe = Callable[[PromotionReason], str]
"""Renders a reason as text: without a full stop, except for refusals."""
