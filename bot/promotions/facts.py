"""Facts from outside for a step of a promotion. What could not be read is None and passes no gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bot.config.schema import Configuration
from bot.environments.stage_plans import StagePlan
from bot.model.ci import CiState
from bot.model.clusters import NotGranted, Placement
from bot.model.drift import DriftRecord
from bot.model.environment import CheckResult
from bot.model.parity import Comparison
from bot.model.plan import PlannedChange
from bot.model.protection import Branch, Protection
from bot.model.release import PromotableRelease
from bot.model.rollout import RolloutReport
from bot.model.secret import SecretRecord
from bot.promotions.approvals import Approvers
from bot.promotions.provenance import Provenance
from bot.promotions.reasons import Note, PromotionReason


@dataclass(frozen=True, slots=True)
class ConfigurationSnapshot:
    """`.greenroom.yml` as the default branch has it now."""

    text: str
    configuration: Configuration


@dataclass(frozen=True, slots=True)
class ResolvedRelease:
    """The release that a promotion is about."""

    release: PromotableRelease
    note: Note | None = None
    """Why it is not the pull request's own build."""
    number: int | None = None
    """The pull request that brought it, where the promotion was not requested on one."""


class RolloutState(StrEnum):
    """State of the stage's environment with its current target."""

    IN_PROGRESS = "under way"
    LIVE = "live"
    """Reachable through its route; checks are running."""
    VERIFIED = "verified"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RolloutProgress:
    state: RolloutState
    serial: int = 0
    """Serial number of the target that the progress is about."""
    reason: PromotionReason | None = None
    """Why it failed, or what it is waiting for."""
    detail: str = ""
    checks: tuple[CheckResult, ...] = ()
    url: str | None = None
    rollout: RolloutReport | None = None
    """The progressive rollout of the target; None for a rolling one."""
    secrets: Mapping[str, SecretRecord] = field(default_factory=dict)
    """What it runs with, by variable; empty while that is not known."""
    plan: PlannedChange | None = None
    """The plan of its infrastructure that waits for an approval."""


@dataclass(frozen=True, slots=True)
class PreviewChecks:
    """Results of the configured checks of the release's preview."""

    commit: str
    """The commit that the preview ran."""
    failed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """Checks without a result."""

    @classmethod
    def of(cls, commit: str, names: Sequence[str], results: Mapping[str, bool] | None) -> PreviewChecks:
        """`results` is None when no preview ran the release."""
        passed = results or {}
        failed = tuple(name for name in names if passed.get(name) is False)
        return cls(commit, failed, tuple(name for name in names if name not in passed))


@dataclass(frozen=True, slots=True)
class Facts:
    configuration: ConfigurationSnapshot | None = None
    resolved: ResolvedRelease | None = None
    refusal: PromotionReason | None = None
    """Why no release or configuration exists; rejects the promotion."""
    unavailable: PromotionReason | None = None
    """Why nothing could be read; the promotion waits."""
    provenance: Provenance | None = None
    """Provenance of the release's commit."""
    closed: bool = False
    """The pull request of the request was closed without being merged."""
    checks: Mapping[str, CiState] | None = None
    """States of the commit's check runs and statuses by name."""
    preview_checks: PreviewChecks | None = None
    parity: tuple[Comparison, ...] = ()
    """Comparisons with the previous stages."""
    protection: Protection | None = None
    """Rules of the GitHub Environment with the stage's name; without rules where there is none."""
    branch: Branch | None = None
    """The release's branch; read where the environment restricts branches."""
    approvers: Approvers = field(default_factory=dict)
    """Users whose approvals suffice for the promotion; read while there are enough."""
    behind: int = 0
    """How many commits that run on the stage the release lacks; 0 also where that cannot be read."""
    placement: Placement | NotGranted | None = None
    """The cluster of the stage, if the repository may use it."""
    drift: DriftRecord | None = None
    """The last comparison of the stage with its deployment; None before the first one."""
    plan: StagePlan | None = None
    """The Terraform plan of the stage; None without infrastructure, and before it may be made."""
    host_objection: str = ""
    """Why the stage cannot use its host; "" when it can."""
    progress: RolloutProgress = field(default_factory=lambda: RolloutProgress(RolloutState.IN_PROGRESS))
    """Progress of the stage's environment with its current target."""

    @property
    def authors(self) -> tuple[str, ...] | None:
        """The authors of the release's commits, with the maintainers who vouched for unknown ones."""
        provenance = self.provenance
        if provenance is None or provenance.authors is None:
            return None
        return tuple(dict.fromkeys((*provenance.authors, *provenance.vouched_by)))
