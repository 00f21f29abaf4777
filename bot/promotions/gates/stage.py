"""Gates about the stage: what comes before it, who keeps it, and when it may move."""

from __future__ import annotations

from bot.config.stages import Parity
from bot.model.parity import PARITY_GATE, mismatch_reason
from bot.model.promotion import GateResult, PromotionState
from bot.model.times import format_time
from bot.promotions.gates.case import GateInput, passed, rejected, unreadable
from bot.promotions.pipeline import stage_in
from bot.promotions.stage_aggregate import lock_reason


def after(case: GateInput) -> GateResult:
    """It was verified on the stages that come before."""
    after, release = case.stage.after, case.release
    there = {
        name
        for name in after.names
        if name in case.aggregate.siblings and case.aggregate.siblings[name].has_verified(release.id)
    }
    missing = [name for name in after.all_of if name not in there]
    if missing:
        return _not_there(f"release {release.id} has to be verified on {' and '.join(missing)} before")
    if after.one_of and not there & set(after.one_of):
        return _not_there(f"release {release.id} has to be verified on {' or '.join(after.one_of)} before")
    return passed("after")


def _not_there(why: str) -> GateResult:
    return GateResult("after", passed=False, reason=why, final=True)


def parity(case: GateInput) -> GateResult:
    """It runs here as it ran before, but for configuration values, secrets, size and host."""
    found = case.parity if after(case).passed else {}
    faults = [mismatch_reason(each) for each in found.values() if each is not None and not each.equal]
    if case.stage.parity is Parity.WARN:
        return GateResult(PARITY_GATE, passed=True, reason="; ".join(faults))
    if faults:
        return rejected(PARITY_GATE, "; ".join(faults))
    open_ones = [name for name, each in found.items() if each is None]
    if open_ones:
        return unreadable(PARITY_GATE, f"it has not been compared yet with {' and '.join(open_ones)}")
    return passed(PARITY_GATE)


def host(case: GateInput) -> GateResult:
    """The stage's own host is granted to the repository, and no other stage is reached at it."""
    if case.facts.host_objection:
        return rejected("host", case.facts.host_objection)
    host = stage_in(case.promotion.configuration, case.aggregate.stage.name).host
    for name, sibling in case.aggregate.siblings.items():
        target = sibling.target
        if host is not None and target is not None and stage_in(target.configuration, name).host == host:
            why = f"the host {host} is that of {name} as long as {name} runs as it is configured there now"
            return GateResult("host", passed=False, reason=why)
    return passed("host")


def hold(case: GateInput) -> GateResult:
    """A person may move a stage that is on hold; nothing else may."""
    hold = case.aggregate.stage.hold
    if hold is None or not case.promotion.automatic:
        return passed("hold")
    name = case.aggregate.stage.name
    return rejected("hold", f"{name} is on hold ({hold.reason}); `/unhold {name}` lifts it")


def lock(case: GateInput) -> GateResult:
    lock = case.aggregate.stage.lock
    why = lock_reason(case.aggregate.stage, case.promotion.requested_by, case.now)
    if lock is None or not why:
        return passed("lock")
    if case.promotion.automatic:
        return GateResult("lock", passed=False, reason=why, until=lock.until)
    return rejected("lock", f"{why}; `/unlock {case.aggregate.stage.name}` lifts it")


def freeze(case: GateInput) -> GateResult:
    ends = [
        (until, freeze)
        for freeze in case.stage.freeze
        if (until := freeze.active_until(case.now)) is not None
    ]
    if not ends:
        return passed("freeze")
    until, freeze = max(ends, key=lambda each: each[0])
    reason = f" ({freeze.reason})" if freeze.reason else ""
    why = f"frozen until {format_time(until, zone=freeze.zone)}{reason}"
    return GateResult("freeze", passed=False, reason=why, until=until)


def free(case: GateInput) -> GateResult:
    """Who moves the stage comes to an end first; an automatic one that only soaks gives way to a newer."""
    holder = case.aggregate.promotions.get(case.aggregate.stage.active_promotion or "")
    if case.promotion.state is not PromotionState.QUEUED or holder is None:
        return passed("free")
    if case.promotion.automatic and holder.automatic and holder.state is PromotionState.SOAKING:
        return passed("free")
    whose = f"{holder.requested_by}'s" if holder.requested_by else "the pipeline's"
    why = f"{whose} {holder.kind} {holder.id} moves {case.aggregate.stage.name}"
    return GateResult("free", passed=False, reason=why)
