"""What a promotion has to pass: each gate is a pure predicate that lets it through, or says why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.environments.stages import Parity, Stage
from bot.model.ci import CiState
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.parity import GATE, Comparison, fault
from bot.model.promotion import Board, GateResult, Promotion, PromotionState
from bot.model.release import Origin, PromotableRelease
from bot.promotions.approvals import wanted
from bot.promotions.facts import Facts
from bot.promotions.parity import compared, verified_with
from bot.promotions.pipeline import stage_in
from bot.promotions.protection import admits, admitted, waited


@dataclass(frozen=True, slots=True)
class Case:
    """All that a gate may look at."""

    board: Board
    promotion: Promotion
    release: PromotableRelease
    stage: Stage
    """The pipeline's word on the stage, as it was when the promotion was asked for."""
    facts: Facts
    now: datetime

    @property
    def parity(self) -> dict[str, Comparison | None]:
        """What is known, as things are now, of each stage on which the release was verified before."""
        before = verified_with(self.stage.after, self.board.siblings, self.release.id)
        return compared(self.promotion, self.release, before, self.facts.parity)


Gate = Callable[[Case], GateResult]


def evaluate(case: Case) -> tuple[GateResult, ...]:
    return tuple(gate(case) for gate in GATES)


def _passed(name: str) -> GateResult:
    return GateResult(name, passed=True)


def _after(case: Case) -> GateResult:
    """It was verified on the stages that come before."""
    after, release = case.stage.after, case.release
    there = {
        name
        for name in after.names
        if name in case.board.siblings and case.board.siblings[name].has_verified(release.id)
    }
    missing = [name for name in after.all_of if name not in there]
    if missing:
        return _not_there(f"release {release.id} has to be verified on {' and '.join(missing)} before")
    if after.one_of and not there & set(after.one_of):
        return _not_there(f"release {release.id} has to be verified on {' or '.join(after.one_of)} before")
    return _passed("after")


def _not_there(why: str) -> GateResult:
    return GateResult("after", passed=False, why=why, final=True)


def _parity(case: Case) -> GateResult:
    """It runs here as it ran before, but for configuration values, secrets, size and host."""
    found = case.parity if _after(case).passed else {}
    faults = [fault(each) for each in found.values() if each is not None and not each.alike]
    if case.stage.parity is Parity.WARN:
        return GateResult(GATE, passed=True, why="; ".join(faults))
    if faults:
        return _refused(GATE, "; ".join(faults))
    open_ones = [name for name, each in found.items() if each is None]
    if open_ones:
        return _unread(GATE, f"it has not been compared yet with {' and '.join(open_ones)}")
    return _passed(GATE)


def _authors(case: Case) -> GateResult:
    """It is known who may not say yes to it."""
    stage = case.stage
    matters = stage.protected or stage.required.reviews or wanted(case.promotion) is not None
    if matters and case.facts.authors is None:
        told = "who wrote the commits cannot be read, so nobody's yes to them counts yet"
        return _unread("authors", told)
    return _passed("authors")


def _protected(case: Case) -> GateResult:
    """A protected stage takes what somebody else reviewed, and nothing that a fork's CI may have made."""
    if not case.stage.protected:
        return _passed("protected")
    if case.release.from_fork and case.release.origin is not Origin.DEFAULT_BRANCH:
        return _refused("protected", "the stage is protected, and this release was made from a fork")
    if case.release.number is None:
        return _refused("protected", f"the stage is protected, and {_unreviewed(case)}")
    if _unseen(case):
        return _unread("protected", f"{_unseen(case)} cannot be read, which counts as no review")
    if not _reviewers(case):
        return _refused(
            "protected",
            f"the stage is protected, and nobody but its author has approved {case.release.commit[:7]}",
        )
    return _passed("protected")


def _fork(case: Case) -> GateResult:
    if fork_shown(case.promotion.stage, case.release):
        return _refused("fork", "a demo shows nothing that was made from a fork")
    return _passed("fork")


def fork_shown(place: EnvironmentKey, release: PromotableRelease) -> bool:
    """Whether a demo would show what a fork's CI may have made."""
    made_there = release.from_fork and release.origin is not Origin.DEFAULT_BRANCH
    return place.kind is EnvironmentKind.DEMO and made_there


def _reviews(case: Case) -> GateResult:
    needed = case.stage.required.reviews
    if needed == 0:
        return _passed("reviews")
    if case.release.number is None:
        return _refused("reviews", f"reviews are needed, and {_unreviewed(case)}")
    if _unseen(case):
        return _unread("reviews", f"{_unseen(case)} cannot be read, which counts as no review")
    found = len(_reviewers(case))
    if found < needed:
        return _refused("reviews", f"{needed} approving reviews of this commit are needed, there are {found}")
    return _passed("reviews")


def _unseen(case: Case) -> str:
    """What of the pull request cannot be read and decides about its reviews; "" when all of it can."""
    seen = {
        "the reviews of the pull request": case.facts.reviews is not None,
        "the head of the pull request": case.facts.head is not None,
    }
    return next((what for what, known in seen.items() if not known), "")


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


def _checks(case: Case) -> GateResult:
    wanted, found = case.stage.required.checks, case.facts.checks
    if not wanted:
        return _passed("checks")
    if found is None:
        return _unread("checks", "the checks of the commit cannot be read, which counts as failed")
    failed = [name for name in wanted if found.get(name) is CiState.FAILED]
    if failed:
        return _refused("checks", f"a required check failed: {', '.join(failed)}")
    open_ones = [name for name in wanted if found.get(name) is not CiState.PASSED]
    if open_ones:
        return GateResult("checks", passed=False, why=f"waiting for the checks {', '.join(open_ones)}")
    return _passed("checks")


def _environment(case: Case) -> GateResult:
    """The rules of the GitHub Environment of the stage's name are known, and can be kept."""
    protection, name = case.facts.protection, case.board.stage.name
    if protection is None:
        why = f"the rules of the GitHub Environment {name} cannot be read, which counts as a no"
        return _unread("environment", f"{why} (`greenroom doctor` tells whether a permission is missing)")
    if protection.others:
        told = ", ".join(protection.others)
        return _refused(
            "environment",
            f"the GitHub Environment {name} has a rule that only GitHub's own workflows can keep: {told}",
        )
    return _passed("environment")


def _branches(case: Case) -> GateResult:
    protection, branch = case.facts.protection, case.facts.branch
    if protection is None or not protection.restricts_branches:
        return _passed("branches")
    if branch is None:
        return _unread("branches", "the branch of the release cannot be read, which counts as none")
    if admits(protection, branch):
        return _passed("branches")
    where = f"on {branch.name}" if branch.name else "on no branch of the repository"
    only = f"the GitHub Environment {case.board.stage.name} takes releases of {admitted(protection)} only"
    return _refused("branches", f"{only}, and this one is {where}")


def _host(case: Case) -> GateResult:
    """The stage's own host is granted to the repository, and no other stage is reached at it."""
    if case.facts.host:
        return _refused("host", case.facts.host)
    host = stage_in(case.promotion.configuration, case.board.stage.name).host
    for name, sibling in case.board.siblings.items():
        target = sibling.target
        if host is not None and target is not None and stage_in(target.configuration, name).host == host:
            why = f"the host {host} is that of {name} as long as {name} runs as it is configured there now"
            return GateResult("host", passed=False, why=why)
    return _passed("host")


def _wait(case: Case) -> GateResult:
    until = waited(case.promotion)
    if case.now >= until:
        return _passed("wait")
    why = f"the GitHub Environment {case.board.stage.name} makes it wait until {until:%d %B, %H:%M} UTC"
    return GateResult("wait", passed=False, why=why, until=until)


def _hold(case: Case) -> GateResult:
    """A person may move a stage that is on hold; nothing else may."""
    hold = case.board.stage.hold
    if hold is None or not case.promotion.automatic:
        return _passed("hold")
    name = case.board.stage.name
    return _refused("hold", f"{name} is on hold ({hold.why}); `/unhold {name}` lifts it")


def _lock(case: Case) -> GateResult:
    lock = case.board.stage.lock
    by = case.promotion.requested_by
    if lock is None or case.now >= lock.until or by.lower() == lock.by.lower():
        return _passed("lock")
    told = f"{case.board.stage.name} is locked by {lock.by} until {lock.until:%d %B, %H:%M} UTC"
    why = f"{told} ({lock.why})" if lock.why else told
    if case.promotion.automatic:
        return GateResult("lock", passed=False, why=why, until=lock.until)
    return _refused("lock", f"{why}; `/unlock {case.board.stage.name}` lifts it")


def _freeze(case: Case) -> GateResult:
    ends = [(until, freeze) for freeze in case.stage.freeze if (until := freeze.until(case.now)) is not None]
    if not ends:
        return _passed("freeze")
    until, freeze = max(ends, key=lambda each: each[0])
    reason = f" ({freeze.why})" if freeze.why else ""
    why = f"frozen until {until:%d %B, %H:%M} {freeze.zone}{reason}"
    return GateResult("freeze", passed=False, why=why, until=until)


def _free(case: Case) -> GateResult:
    """Who moves the stage comes to an end first; an automatic one that only soaks gives way to a newer."""
    holder = case.board.promotions.get(case.board.stage.moving or "")
    if case.promotion.state is not PromotionState.QUEUED or holder is None:
        return _passed("free")
    if case.promotion.automatic and holder.automatic and holder.state is PromotionState.SOAKING:
        return _passed("free")
    whose = f"{holder.requested_by}'s" if holder.requested_by else "the pipeline's"
    why = f"{whose} {holder.kind} {holder.id} moves {case.board.stage.name}"
    return GateResult("free", passed=False, why=why)


def _refused(name: str, why: str) -> GateResult:
    return GateResult(name, passed=False, why=why, final=True)


def _unread(name: str, why: str) -> GateResult:
    return GateResult(name, passed=False, why=why)


GATES: Sequence[Gate] = (
    _after,
    _fork,
    _parity,
    _authors,
    _protected,
    _reviews,
    _checks,
    _environment,
    _branches,
    _host,
    _hold,
    _lock,
    _freeze,
    _wait,
    _free,
)
"""In the order in which they are told."""
