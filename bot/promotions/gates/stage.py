"""Gates for the stage: previous stages, parity, host, hold, lock, freeze and the active promotion."""

from __future__ import annotations

from bot.config.stages import Enforcement
from bot.model.drift import DriftAction, DriftState
from bot.model.promotion import PromotionKind, PromotionState
from bot.model.reason import Reported
from bot.promotions.gate_reasons import (
    Behind,
    HostTaken,
    NotVerified,
    OnHold,
    ParityMismatch,
    ParityPending,
    StageBusy,
    StageDrifted,
    StageFrozen,
    StageLocked,
)
from bot.promotions.gates.case import PASSED, GateInput, Verdict, rejected, waiting
from bot.promotions.pipeline import stage_in
from bot.promotions.stage_aggregate import active_lock


def after(gate: GateInput) -> Verdict:
    """The release is verified on the previous stages."""
    after, release, siblings = gate.stage.after, gate.release, gate.aggregate.siblings
    verified = {name for name in after.names if name in siblings and siblings[name].has_verified(release.id)}
    missing = tuple(name for name in after.all_of if name not in verified)
    if missing:
        return rejected(NotVerified(release.id, missing))
    if after.one_of and not verified & set(after.one_of):
        return rejected(NotVerified(release.id, tuple(after.one_of), any_of=True))
    return PASSED


def parity(gate: GateInput) -> Verdict:
    """The release runs as on the previous stages, except for configuration values, secrets, size and host."""
    comparisons = gate.parity if after(gate).passed else {}
    unequal = tuple(
        comparison for comparison in comparisons.values() if comparison is not None and not comparison.equal
    )
    if gate.stage.parity is Enforcement.WARN:
        return Verdict(passed=True, reason=ParityMismatch(unequal) if unequal else None)
    if unequal:
        return rejected(ParityMismatch(unequal))
    pending = tuple(name for name, comparison in comparisons.items() if comparison is None)
    return waiting(ParityPending(pending)) if pending else PASSED


def behind(gate: GateInput) -> Verdict:
    """Passes; warns where the release lacks commits that run on the stage."""
    target, count = gate.aggregate.stage.target, gate.facts.behind
    if target is None or not count:
        return PASSED
    return Verdict(passed=True, reason=Behind(gate.aggregate.stage.name, target.release.commit, count))


def host(gate: GateInput) -> Verdict:
    """The stage's hosts are granted to the repository and not in use by other stages."""
    if gate.facts.host_objection:
        return rejected(Reported(gate.facts.host_objection))
    hosts = stage_in(gate.promotion.configuration, gate.aggregate.stage.name).own_hosts.values()
    for name, sibling in gate.aggregate.siblings.items():
        target = sibling.target
        used = stage_in(target.configuration, name).own_hosts.values() if target is not None else ()
        if taken := next((host for host in hosts if host in used), None):
            return waiting(HostTaken(taken, name))
    return PASSED


def hold(gate: GateInput) -> Verdict:
    """A hold blocks automatic promotions only."""
    hold = gate.aggregate.stage.hold
    if hold is None or not gate.promotion.automatic:
        return PASSED
    return rejected(OnHold(gate.aggregate.stage.name, hold.reason))


def drift(gate: GateInput) -> Verdict:
    """The stage has not drifted. Warns, or waits if configured; a rollback never waits."""
    record, waits = gate.facts.drift, gate.stage.drift.promotions is Enforcement.BLOCK
    if record is None or gate.stage.drift.action is DriftAction.IGNORE:
        return PASSED
    objects = tuple(dict.fromkeys(finding.object for finding in record.confirmed))
    problem = ""
    if record.state is DriftState.UNKNOWN:
        first = next(iter(record.unreadable), None)
        problem = first.problem if first is not None else "it was not compared yet"
    if not objects and not (problem and waits):
        return PASSED
    reason = StageDrifted(gate.aggregate.stage.name, objects, problem)
    if waits and gate.promotion.kind is PromotionKind.PROMOTION:
        return waiting(reason)
    return Verdict(passed=True, reason=reason)


def lock(gate: GateInput) -> Verdict:
    """An automatic promotion waits for a lock's end; one that a person requested is rejected."""
    stage, automatic = gate.aggregate.stage, gate.promotion.automatic
    lock = active_lock(stage, gate.promotion.requested_by, gate.now)
    if lock is None:
        return PASSED
    reason = StageLocked(stage.name, lock.by, lock.until, lock.reason, show_unlock=not automatic)
    return waiting(reason, lock.until) if automatic else rejected(reason)


def freeze(gate: GateInput) -> Verdict:
    ends = [
        (until, freeze)
        for freeze in gate.stage.freeze
        if (until := freeze.active_until(gate.now)) is not None
    ]
    if not ends:
        return PASSED
    until, freeze = max(ends, key=lambda end: end[0])
    return waiting(StageFrozen(until, freeze.zone, freeze.reason), until)


def free(gate: GateInput) -> Verdict:
    """The active promotion has ended; an automatic one that soaks gives way to a newer automatic one."""
    promotion, active = gate.promotion, gate.aggregate.active_promotion
    if promotion.state is not PromotionState.QUEUED or active is None:
        return PASSED
    if promotion.automatic and active.automatic and active.state is PromotionState.SOAKING:
        return PASSED
    return waiting(StageBusy(gate.aggregate.stage.name, active.kind, active.id, active.requested_by))
