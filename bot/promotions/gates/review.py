"""Gates about the pull request and commit: who wrote it, who reviewed it, and what was checked."""

from __future__ import annotations

from bot.model.ci import CiState
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.promotion import GateResult
from bot.model.release import Origin, PromotableRelease
from bot.promotions.approvals import requirement
from bot.promotions.gates.case import GateInput, passed, rejected, unreadable


def fork(case: GateInput) -> GateResult:
    if shows_fork(case.promotion.stage, case.release):
        return rejected("fork", "a demo shows nothing that was made from a fork")
    return passed("fork")


def shows_fork(place: EnvironmentKey, release: PromotableRelease) -> bool:
    """Whether a demo would show what a fork's CI may have made."""
    made_there = release.from_fork and release.origin is not Origin.DEFAULT_BRANCH
    return place.kind is EnvironmentKind.DEMO and made_there


def closed(case: GateInput) -> GateResult:
    """What was given up is on nobody's way any more; only a person who names the release means it still."""
    promotion = case.promotion
    named = promotion.requested_release is not None and not promotion.automatic
    if case.facts.closed and not named and case.release.origin is not Origin.DEFAULT_BRANCH:
        return rejected("closed", f"#{promotion.number} was closed without being merged")
    return passed("closed")


def authors(case: GateInput) -> GateResult:
    """It is known who may not say yes to it."""
    stage = case.stage
    matters = stage.protected or stage.required.reviews or requirement(case.promotion) is not None
    if matters and case.facts.authors is None:
        told = "who wrote the commits cannot be read, so nobody's yes to them counts yet"
        return unreadable("authors", told)
    return passed("authors")


def protected(case: GateInput) -> GateResult:
    """A protected stage takes what somebody else reviewed, and nothing that a fork's CI may have made."""
    if not case.stage.protected:
        return passed("protected")
    if case.release.from_fork and case.release.origin is not Origin.DEFAULT_BRANCH:
        return rejected("protected", "the stage is protected, and this release was made from a fork")
    if case.release.number is None:
        return rejected("protected", f"the stage is protected, and {_unreviewed(case)}")
    if case.facts.other_base:
        return rejected("protected", f"the stage is protected, and {_beside(case)}")
    if _unseen(case):
        return unreadable("protected", f"{_unseen(case)} cannot be read, which counts as no review")
    if not _reviewers(case):
        return rejected(
            "protected",
            f"the stage is protected, and nobody but its author has approved {case.release.commit[:7]}",
        )
    return passed("protected")


def reviews(case: GateInput) -> GateResult:
    needed = case.stage.required.reviews
    if needed == 0:
        return passed("reviews")
    if case.release.number is None:
        return rejected("reviews", f"reviews are needed, and {_unreviewed(case)}")
    if case.facts.other_base:
        return rejected("reviews", f"reviews are needed, and {_beside(case)}")
    if _unseen(case):
        return unreadable("reviews", f"{_unseen(case)} cannot be read, which counts as no review")
    found = len(_reviewers(case))
    if found < needed:
        return rejected("reviews", f"{needed} approving reviews of this commit are needed, there are {found}")
    return passed("reviews")


def _unseen(case: GateInput) -> str:
    """What of the pull request cannot be read and decides about its reviews; "" when all of it can."""
    seen = {
        "the reviews of the pull request": case.facts.reviews is not None,
        "the head of the pull request": case.facts.head is not None,
    }
    return next((what for what, known in seen.items() if not known), "")


def _beside(case: GateInput) -> str:
    branch = case.facts.other_base
    return f"#{case.release.number} goes to {branch}: what {branch} has besides was not reviewed there"


def _unreviewed(case: GateInput) -> str:
    return f"no pull request brought {case.release.commit[:7]}, so nobody reviewed it"


def _reviewers(case: GateInput) -> set[str]:
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


def checks(case: GateInput) -> GateResult:
    wanted, found = case.stage.required.checks, case.facts.checks
    if not wanted:
        return passed("checks")
    if found is None:
        return unreadable("checks", "the checks of the commit cannot be read, which counts as failed")
    failed = [name for name in wanted if found.get(name) is CiState.FAILED]
    if failed:
        return rejected("checks", f"a required check failed: {', '.join(failed)}")
    open_ones = [name for name in wanted if found.get(name) is not CiState.PASSED]
    if open_ones:
        return GateResult("checks", passed=False, reason=f"waiting for the checks {', '.join(open_ones)}")
    return passed("checks")
