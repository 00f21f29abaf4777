"""Gates about the stage: what comes before it, who keeps it, and when it may move."""

from __future__ import annotations

from bot.config.stages import Parity
from bot.model.parity import GATE, mismatch_reason
from bot.model.promotion import GateResult, PromotionState
from bot.promotions.gates.case import Case, passed, refused, unread
from bot.promotions.pipeline import stage_in
from bot.promotions.stage_aggregate import locked


def after(case: Case) -> GateResult:
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
    return passed("after")


def _not_there(why: str) -> GateResult:
    return GateResult("after", passed=False, why=why, final=True)


def parity(case: Case) -> GateResult:
    """It runs here as it ran before, but for configuration values, secrets, size and host."""
    found = case.parity if after(case).passed else {}
    faults = [mismatch_reason(each) for each in found.values() if each is not None and not each.equal]
    if case.stage.parity is Parity.WARN:
        return GateResult(GATE, passed=True, why="; ".join(faults))
    if faults:
        return refused(GATE, "; ".join(faults))
    open_ones = [name for name, each in found.items() if each is None]
    if open_ones:
        return unread(GATE, f"it has not been compared yet with {' and '.join(open_ones)}")
    return passed(GATE)


def host(case: Case) -> GateResult:
    """The stage's own host is granted to the repository, and no other stage is reached at it."""
    if case.facts.host:
        return refused("host", case.facts.host)
    host = stage_in(case.promotion.configuration, case.board.stage.name).host
    for name, sibling in case.board.siblings.items():
        target = sibling.target
        if host is not None and target is not None and stage_in(target.configuration, name).host == host:
            why = f"the host {host} is that of {name} as long as {name} runs as it is configured there now"
            return GateResult("host", passed=False, why=why)
    return passed("host")


def hold(case: Case) -> GateResult:
    """A person may move a stage that is on hold; nothing else may."""
    hold = case.board.stage.hold
    if hold is None or not case.promotion.automatic:
        return passed("hold")
    name = case.board.stage.name
    return refused("hold", f"{name} is on hold ({hold.why}); `/unhold {name}` lifts it")


def lock(case: Case) -> GateResult:
    lock = case.board.stage.lock
    why = locked(case.board.stage, case.promotion.requested_by, case.now)
    if lock is None or not why:
        return passed("lock")
    if case.promotion.automatic:
        return GateResult("lock", passed=False, why=why, until=lock.until)
    return refused("lock", f"{why}; `/unlock {case.board.stage.name}` lifts it")


def freeze(case: Case) -> GateResult:
    ends = [
        (until, freeze)
        for freeze in case.stage.freeze
        if (until := freeze.active_until(case.now)) is not None
    ]
    if not ends:
        return passed("freeze")
    until, freeze = max(ends, key=lambda each: each[0])
    reason = f" ({freeze.why})" if freeze.why else ""
    why = f"frozen until {until:%d %B, %H:%M} {freeze.zone}{reason}"
    return GateResult("freeze", passed=False, why=why, until=until)


def free(case: Case) -> GateResult:
    """Who moves the stage comes to an end first; an automatic one that only soaks gives way to a newer."""
    holder = case.board.promotions.get(case.board.stage.active_promotion or "")
    if case.promotion.state is not PromotionState.QUEUED or holder is None:
        return passed("free")
    if case.promotion.automatic and holder.automatic and holder.state is PromotionState.SOAKING:
        return passed("free")
    whose = f"{holder.requested_by}'s" if holder.requested_by else "the pipeline's"
    why = f"{whose} {holder.kind} {holder.id} moves {case.board.stage.name}"
    return GateResult("free", passed=False, why=why)
