"""Gates for the pull request and the commit: origin, reviews and checks."""

from __future__ import annotations

from bot.model.ci import CiState
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.release import Origin, PromotableRelease
from bot.promotions.approvals import is_approved, is_confirmed, requirement
from bot.promotions.gate_reasons import (
    BuiltForFork,
    ChecksFailed,
    ChecksPending,
    ForkOnDemo,
    ForkWithInfrastructure,
    ForkWithSecrets,
    GateReason,
    NotReviewed,
    PreviewChecksFailed,
    PreviewChecksUnknown,
    PullRequestClosed,
    ReviewRequired,
    TooFewReviews,
    UnknownAuthors,
    Unreadable,
)
from bot.promotions.gates.case import PASSED, GateInput, Verdict, rejected, unreadable, waiting
from bot.promotions.pipeline import infrastructure_in, stage_in
from bot.promotions.provenance import Doubt, Provenance, is_attributed, reviewed, vouched_commit


def fork(gate: GateInput) -> Verdict:
    """A demo, and a stage with secrets or infrastructure, runs nothing that a fork's CI may have built."""
    name, configuration = gate.aggregate.stage.name, gate.promotion.configuration
    reason: GateReason | None = None
    if gate.promotion.stage.kind is EnvironmentKind.DEMO:
        reason = ForkOnDemo()
    elif stage_in(configuration, name).secrets:
        reason = ForkWithSecrets(name)
    elif infrastructure_in(configuration, gate.promotion.stage) is not None:
        reason = ForkWithInfrastructure(name)
    if reason is None:
        return PASSED
    if _built_for_fork(gate):
        return rejected(reason)
    return unreadable(gate, Unreadable.SOURCE) if gate.facts.provenance is None else PASSED


def shows_fork(place: EnvironmentKey, release: PromotableRelease) -> bool:
    """Whether a demo would run what a fork's CI may have built."""
    return place.kind is EnvironmentKind.DEMO and release.from_fork


def _built_for_fork(gate: GateInput) -> bool:
    provenance = gate.facts.provenance
    return gate.release.from_fork or (provenance is not None and provenance.from_fork)


def closed(gate: GateInput) -> Verdict:
    """The pull request is open or merged, unless a person named the release."""
    promotion = gate.promotion
    named = promotion.requested_release is not None and not promotion.automatic
    if gate.facts.closed and not named and gate.release.origin is not Origin.DEFAULT_BRANCH:
        return rejected(PullRequestClosed(promotion.number))
    return PASSED


def authors(gate: GateInput) -> Verdict:
    """Where approvals or reviews are required, it is known whose do not count."""
    stage, provenance = gate.stage, gate.facts.provenance
    reviewed_here = stage.protected or bool(stage.required.reviews)
    if not (reviewed_here or requirement(gate.promotion) is not None):
        return PASSED
    if gate.facts.authors is None or provenance is None:
        return unreadable(gate, Unreadable.AUTHORS)
    # The gates about reviews give the reason themselves.
    return PASSED if reviewed_here or is_attributed(provenance) else _unknown_authors(gate, provenance)


def _unknown_authors(gate: GateInput, provenance: Provenance) -> Verdict:
    pull, commit = provenance.pull, vouched_commit(gate.release.commit, provenance.pull)
    # `/vouch` alone is for the head.
    number = pull.number if pull is not None and pull.head_sha == commit else None
    return waiting(UnknownAuthors(provenance.unknown, commit, number))


def protected(gate: GateInput) -> Verdict:
    """A protected stage takes only reviewed releases that no fork's CI built."""
    if not gate.stage.protected:
        return PASSED
    if _built_for_fork(gate):
        return rejected(ReviewRequired(None, BuiltForFork()))
    return _reviewed(gate, None)


def reviews(gate: GateInput) -> Verdict:
    required = gate.stage.required.reviews
    return _reviewed(gate, required) if required else PASSED


def _reviewed(gate: GateInput, required: int | None) -> Verdict:
    commit, provenance = gate.release.commit, gate.facts.provenance
    verdict = reviewed(commit, provenance)
    if verdict is Doubt.UNREADABLE:
        return unreadable(gate, Unreadable.REVIEWS)
    if verdict is Doubt.UNKNOWN_AUTHOR and provenance is not None:
        return _unknown_authors(gate, provenance)
    if isinstance(verdict, Doubt):
        pull = provenance.pull if provenance is not None else None
        return rejected(ReviewRequired(required, NotReviewed(commit, verdict, pull)))
    if len(verdict.by) < (required or 1):
        too_few = TooFewReviews(commit, len(verdict.by), tuple(sorted(verdict.outdated)))
        return rejected(ReviewRequired(required, too_few))
    return PASSED


def approvers(gate: GateInput) -> Verdict:
    """Enough approvers have the role and the teams of their approvals now."""
    promotion, now = gate.promotion, gate.now
    if not is_approved(promotion, now) or is_confirmed(promotion, gate.facts.approvers, now):
        return PASSED
    return unreadable(gate, Unreadable.APPROVERS)


def checks(gate: GateInput) -> Verdict:
    """The required checks of the commit succeeded."""
    required, states = gate.stage.required.checks, gate.facts.checks
    if not required:
        return PASSED
    if states is None:
        return unreadable(gate, Unreadable.CHECKS)
    failed = tuple(name for name in required if states.get(name) is CiState.FAILED)
    if failed:
        return rejected(ChecksFailed(failed))
    pending = tuple(name for name in required if states.get(name) is not CiState.PASSED)
    return waiting(ChecksPending(pending)) if pending else PASSED


def preview_checks(gate: GateInput) -> Verdict:
    """No check failed in the release's preview. Where the stage does not block, a failure is a warning."""
    results, blocks = gate.facts.preview_checks, gate.stage.requires_preview_checks
    if results is None:
        return unreadable(gate, Unreadable.PREVIEW) if blocks else PASSED
    if results.failed:
        reason = PreviewChecksFailed(results.commit, results.failed)
        return rejected(reason) if blocks else Verdict(passed=True, reason=reason)
    if not results.unknown:
        return PASSED
    unknown = PreviewChecksUnknown(results.commit, results.unknown)
    if gate.release.origin is Origin.DEFAULT_BRANCH:
        # A build of the default branch runs in no preview, so no action could make this gate pass.
        return Verdict(passed=True, reason=unknown) if blocks else PASSED
    return rejected(unknown) if blocks else Verdict(passed=True, reason=unknown)
