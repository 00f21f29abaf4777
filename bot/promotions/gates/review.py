"""Gates for the pull request and the commit: origin, reviews and checks."""

from __future__ import annotations

from bot.model.ci import CiState
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.release import Origin, PromotableRelease
from bot.promotions.approvals import requirement
from bot.promotions.gate_reasons import (
    BuiltForFork,
    ChecksFailed,
    ChecksPending,
    ForkOnDemo,
    NoPullRequest,
    OtherBase,
    PullRequestClosed,
    ReviewRequired,
    TooFewReviews,
    Unreadable,
)
from bot.promotions.gates.case import PASSED, GateInput, Verdict, rejected, unreadable, waiting


def fork(gate: GateInput) -> Verdict:
    return rejected(ForkOnDemo()) if shows_fork(gate.promotion.stage, gate.release) else PASSED


def shows_fork(place: EnvironmentKey, release: PromotableRelease) -> bool:
    """Whether a demo would run what a fork's CI may have built."""
    return place.kind is EnvironmentKind.DEMO and _built_for_fork(release)


def _built_for_fork(release: PromotableRelease) -> bool:
    return release.from_fork and release.origin is not Origin.DEFAULT_BRANCH


def closed(gate: GateInput) -> Verdict:
    """The pull request is open or merged, unless a person named the release."""
    promotion = gate.promotion
    named = promotion.requested_release is not None and not promotion.automatic
    if gate.facts.closed and not named and gate.release.origin is not Origin.DEFAULT_BRANCH:
        return rejected(PullRequestClosed(promotion.number))
    return PASSED


def authors(gate: GateInput) -> Verdict:
    """The commits' authors are known where their approval must not count."""
    stage = gate.stage
    matters = stage.protected or stage.required.reviews or requirement(gate.promotion) is not None
    return unreadable(gate, Unreadable.AUTHORS) if matters and gate.facts.authors is None else PASSED


def protected(gate: GateInput) -> Verdict:
    """A protected stage takes only reviewed releases that no fork's CI built."""
    if not gate.stage.protected:
        return PASSED
    if _built_for_fork(gate.release):
        return rejected(ReviewRequired(None, BuiltForFork()))
    return _reviewed(gate, None)


def reviews(gate: GateInput) -> Verdict:
    required = gate.stage.required.reviews
    return _reviewed(gate, required) if required else PASSED


def _reviewed(gate: GateInput, required: int | None) -> Verdict:
    release, facts = gate.release, gate.facts
    if release.number is None:
        return rejected(ReviewRequired(required, NoPullRequest(release.commit)))
    if facts.other_base:
        return rejected(ReviewRequired(required, OtherBase(release.number, facts.other_base)))
    if facts.reviews is None:
        return unreadable(gate, Unreadable.REVIEWS)
    if facts.head is None:
        return unreadable(gate, Unreadable.HEAD)
    approving = len(_approving_reviewers(gate))
    if approving < (required or 1):
        return rejected(ReviewRequired(required, TooFewReviews(release.commit, approving)))
    return PASSED


def _approving_reviewers(gate: GateInput) -> set[str]:
    """Reviewers, without the authors, who approved the exact head from which the release was built."""
    facts, release = gate.facts, gate.release
    if release.commit != facts.head and release.origin is not Origin.DEFAULT_BRANCH:
        return set()
    authors = {facts.author.lower(), *(author.lower() for author in facts.authors or ())}
    return {
        review.by.lower()
        for review in facts.reviews or ()
        if review.approved and review.commit == facts.head and review.by.lower() not in authors
    }


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
