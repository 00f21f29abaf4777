"""Gates about the pull request and commit: who wrote it, who reviewed it, and what was checked."""

from __future__ import annotations

from bot.model.ci import CiState
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.promotion import GateResult
from bot.model.release import Origin, PromotableRelease
from bot.promotions.approvals import wanted
from bot.promotions.gates.case import Case, passed, refused, unread


def fork(case: Case) -> GateResult:
    if fork_shown(case.promotion.stage, case.release):
        return refused("fork", "a demo shows nothing that was made from a fork")
    return passed("fork")


def fork_shown(place: EnvironmentKey, release: PromotableRelease) -> bool:
    """Whether a demo would show what a fork's CI may have made."""
    made_there = release.from_fork and release.origin is not Origin.DEFAULT_BRANCH
    return place.kind is EnvironmentKind.DEMO and made_there


def closed(case: Case) -> GateResult:
    """What was given up is on nobody's way any more; only a person who names the release means it still."""
    promotion = case.promotion
    named = promotion.requested_release is not None and not promotion.automatic
    if case.facts.closed and not named and case.release.origin is not Origin.DEFAULT_BRANCH:
        return refused("closed", f"#{promotion.number} was closed without being merged")
    return passed("closed")


def authors(case: Case) -> GateResult:
    """It is known who may not say yes to it."""
    stage = case.stage
    matters = stage.protected or stage.required.reviews or wanted(case.promotion) is not None
    if matters and case.facts.authors is None:
        told = "who wrote the commits cannot be read, so nobody's yes to them counts yet"
        return unread("authors", told)
    return passed("authors")


def protected(case: Case) -> GateResult:
    """A protected stage takes what somebody else reviewed, and nothing that a fork's CI may have made."""
    if not case.stage.protected:
        return passed("protected")
    if case.release.from_fork and case.release.origin is not Origin.DEFAULT_BRANCH:
        return refused("protected", "the stage is protected, and this release was made from a fork")
    if case.release.number is None:
        return refused("protected", f"the stage is protected, and {_unreviewed(case)}")
    if case.facts.elsewhere:
        return refused("protected", f"the stage is protected, and {_beside(case)}")
    if _unseen(case):
        return unread("protected", f"{_unseen(case)} cannot be read, which counts as no review")
    if not _reviewers(case):
        return refused(
            "protected",
            f"the stage is protected, and nobody but its author has approved {case.release.commit[:7]}",
        )
    return passed("protected")


def reviews(case: Case) -> GateResult:
    needed = case.stage.required.reviews
    if needed == 0:
        return passed("reviews")
    if case.release.number is None:
        return refused("reviews", f"reviews are needed, and {_unreviewed(case)}")
    if case.facts.elsewhere:
        return refused("reviews", f"reviews are needed, and {_beside(case)}")
    if _unseen(case):
        return unread("reviews", f"{_unseen(case)} cannot be read, which counts as no review")
    found = len(_reviewers(case))
    if found < needed:
        return refused("reviews", f"{needed} approving reviews of this commit are needed, there are {found}")
    return passed("reviews")


def _unseen(case: Case) -> str:
    """What of the pull request cannot be read and decides about its reviews; "" when all of it can."""
    seen = {
        "the reviews of the pull request": case.facts.reviews is not None,
        "the head of the pull request": case.facts.head is not None,
    }
    return next((what for what, known in seen.items() if not known), "")


def _beside(case: Case) -> str:
    branch = case.facts.elsewhere
    return f"#{case.release.number} goes to {branch}: what {branch} has besides was not reviewed there"


def _unreviewed(case: Case) -> str:
    return f"no pull request brought {case.release.commit[:7]}, so nobody reviewed it"


def _reviewers(case: Case) -> set[str]:
    """Who approved the very head that the release is made of, its authors left out."""
    facts, release = case.facts, case.release
    if release.commit != facts.head and release.origin is not Origin.DEFAULT_BRANCH:
        return set()
    authors = {facts.author.lower(), *(author.lower() for author in facts.authors or ())}
    return {
        review.by.lower()
        for review in facts.reviews or ()
        if review.approved and review.commit == facts.head and review.by.lower() not in authors
    }


def checks(case: Case) -> GateResult:
    wanted, found = case.stage.required.checks, case.facts.checks
    if not wanted:
        return passed("checks")
    if found is None:
        return unread("checks", "the checks of the commit cannot be read, which counts as failed")
    failed = [name for name in wanted if found.get(name) is CiState.FAILED]
    if failed:
        return refused("checks", f"a required check failed: {', '.join(failed)}")
    open_ones = [name for name in wanted if found.get(name) is not CiState.PASSED]
    if open_ones:
        return GateResult("checks", passed=False, why=f"waiting for the checks {', '.join(open_ones)}")
    return passed("checks")
