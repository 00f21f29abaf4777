"""Rollout phase: gives the candidate of a stage more and more traffic, and decides after each look.

It runs after the checks, which ask the candidate. Its first part ends when the candidate has all traffic;
then the phases run again with the objects of the release, which get the traffic back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.environments import transitions
from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Failed, Outcome, Waiting
from bot.environments.phases.analysis import criteria, look, starting_counts
from bot.environments.phases.foreign_changes import corrects_weights
from bot.environments.phases.namespace import GUARD_RAILS
from bot.environments.phases.rollout_orders import follow_orders, pause, update_rollout
from bot.environments.phases.rollout_size import missing_pods, prepare_finish
from bot.environments.reasons import ChecksFailed, EnvironmentReason
from bot.environments.rollout_reasons import CandidateGrows, PlainRolloutReason, StableKept, StepRunning
from bot.environments.rollouts.ports import RolloutDriver
from bot.model.environment import CheckState, Phase, Status
from bot.model.manifest import Bundle, Wave
from bot.model.rollout import (
    Decision,
    Progress,
    Rollout,
    RolloutOrders,
    RolloutReport,
    StepCounts,
    StepResult,
)

_WHOLE = 100
_SHIFTED = "shifted"
"""Under this name an attempt records the step whose weights the routes got."""
_ORDERS_CHECK = timedelta(seconds=15)
"""How soon a paused rollout reads again what users requested."""


async def rollout(context: ReconcileContext) -> Outcome:
    if context.release_bundle is None or context.attempt.rollout is None:
        return Done()
    failed = [check for check in context.status.checks if check.state is CheckState.FAILED]
    if failed:
        detail = "\n".join(f"{check.name}: {check.summary}\n{check.detail}".strip() for check in failed)
        return await return_traffic(context, ChecksFailed(tuple(check.name for check in failed)), detail)
    orders = await follow_orders(context)
    current = context.attempt.rollout
    if current.report.progress is Progress.PREPARING:
        if orders.paused:
            return _paused(context, current, context.ports.clock())
        return await _grow(context, current) or await _shift(
            context, _last_step(current) if orders.skipped else current
        )
    if (changed := await _restore_weights(context, current)) is not None:
        return changed
    if current.weight == _WHOLE:
        return await _complete(context, current, orders)
    return await _analyse(context, current, orders)


async def watch(context: ReconcileContext) -> Failed | None:
    """Looks at a step while another phase waits, such as for a pod that crashed.

    Only a candidate that is worse has a consequence: it returns.
    """
    current, now = context.attempt.rollout, context.ports.clock()
    if current is None or (due := look_due(context)) is None or now < due:
        return None
    result = await look(context, current, now)
    update_rollout(context, result.rollout)
    if result.decision is Decision.ROLL_BACK and result.worse and result.reason is not None:
        return await return_traffic(context, result.reason)
    return None


def look_due(context: ReconcileContext) -> datetime | None:
    """When the next look at the current step is due; None without one."""
    current = context.attempt.rollout
    if current is None or context.release_bundle is None or current.weight == _WHOLE:
        return None
    return current.next_look if current.report.progress is Progress.STEPPING else None


async def return_traffic(context: ReconcileContext, reason: EnvironmentReason, detail: str = "") -> Failed:
    """Returns all traffic to the stable revision; the promotion then rolls back."""
    current = context.attempt.rollout
    assert current is not None, "only a rollout returns traffic"
    problem = current.returning or context.describe(reason).rstrip(".")
    if not current.returning:
        current = update_rollout(context, replace(current, returning=problem))
        await context.save()  # after a crash, another client has not changed the weights
    await driver_of(context).withdraw(context.namespace, context.fence)
    context.ports.telemetry.rollout_verdict(Decision.ROLL_BACK)
    report = replace(current.report, progress=Progress.RETURNED, weight=0, problem=problem, paused="")
    update_rollout(context, replace(current, report=_decided(report, Decision.ROLL_BACK)))
    return Failed(reason, final=True, detail=detail)


def driver_of(context: ReconcileContext) -> RolloutDriver:
    assert context.ports.rollouts is not None, "only a stage with a driver moves progressively"
    return context.ports.rollouts


def _release_bundle(context: ReconcileContext) -> Bundle:
    assert context.release_bundle is not None, "a candidate runs"
    return context.release_bundle


async def _grow(context: ReconcileContext, current: Rollout) -> Outcome | None:
    """Gives the candidate the pods that its next share needs, if the stable revision has grown meanwhile.

    The phases run again with the larger candidate, and wait until its pods are ready.
    """
    missing = await missing_pods(context, driver_of(context), _release_bundle(context), current)
    if not missing:
        return None
    update_rollout(context, replace(current, replicas={**current.replicas, **missing}))
    return _wait(CandidateGrows(current.weight, missing), context.ports.clock())


async def _shift(context: ReconcileContext, current: Rollout) -> Outcome:
    """Gives the candidate the traffic of the current step, whose checks it has passed."""
    now, weight = context.ports.clock(), current.weight
    first_look = now + criteria(context).interval
    keep = context.section_rollout.blue_green
    report = replace(
        current.report,
        progress=Progress.STEPPING,
        weight=weight,
        results=(*current.report.results, StepResult(weight, now)),
        until=now + keep.keep if keep is not None and weight == _WHOLE else None,
        remark="",
    )
    seen = await starting_counts(context, current) if weight < _WHOLE else {}
    current = update_rollout(
        context,
        replace(current, report=report, counts=StepCounts(now), seen=seen, next_look=first_look),
    )
    await context.save()  # after a crash, the next run knows the weight that the routes may have
    await _apply_weight(context, current)
    _repeat_checks(context)
    await context.report()
    return _wait(StepRunning(weight, 0, criteria(context).criteria.looks), now)


async def _apply_weight(context: ReconcileContext, current: Rollout) -> None:
    bundle = _release_bundle(context)
    await driver_of(context).shift(
        context.namespace, bundle, current.suffix, current.report.weight, context.fence
    )
    context.mark_applied(_SHIFTED, f"{current.suffix} {len(current.report.results)}")
    context.ports.telemetry.rollout_step(current.report.strategy, current.report.weight)


async def _restore_weights(context: ReconcileContext, current: Rollout) -> Outcome | None:
    """Restores weights that another client changed, once; then the rollout pauses."""
    bundle, weight = _release_bundle(context), current.report.weight
    if context.attempt.applied.get(_SHIFTED) != f"{current.suffix} {len(current.report.results)}":
        await _apply_weight(context, current)
        return None
    if await driver_of(context).weights(context.namespace, bundle, current.suffix) <= {weight}:
        return None
    if await corrects_weights(context):
        await _apply_weight(context, context.attempt.rollout or current)
        await context.report()
    return None


async def _complete(context: ReconcileContext, current: Rollout, orders: RolloutOrders) -> Outcome:
    """The candidate has all traffic: finishes, after the time for which the stable revision is kept."""
    now, until = context.ports.clock(), current.report.until
    if orders.paused or current.report.paused:
        return _paused(context, current, now)
    if until is not None and now < until and not orders.skipped:
        return _wait(StableKept(until), min(until, now + _ORDERS_CHECK))
    current = await prepare_finish(context, driver_of(context), _release_bundle(context), current)
    report = replace(_decided(current.report, Decision.ADVANCE), progress=Progress.FINISHING)
    update_rollout(context, replace(current, report=report))
    kept = (GUARD_RAILS, Wave.MIGRATIONS, Wave.SEED)
    context.update_attempt(transitions.steps_cleared(context.attempt, kept))
    status = _restarted(context, Phase.NAMESPACE)
    configured = {check.title for check in context.section.checks}
    others = tuple(check for check in status.checks if check.name not in configured)
    context.update_status(replace(status, url=None, addresses={}, checks=others))
    context.decide("finishing", PlainRolloutReason.FINISHING)
    await context.report()
    return _wait(PlainRolloutReason.FINISHING, now)


async def _analyse(context: ReconcileContext, current: Rollout, orders: RolloutOrders) -> Outcome:
    now = context.ports.clock()
    if orders.skipped and not orders.paused:
        report = replace(_decided(current.report, Decision.SKIP), progress=Progress.PREPARING, paused="")
        skipped = update_rollout(context, _last_step(replace(current, report=report)))
        context.ports.telemetry.rollout_verdict(Decision.SKIP)
        return await _grow(context, skipped) or await _shift(context, skipped)
    if current.next_look is not None and now < current.next_look:
        return _waiting(context, current, orders, now)
    result = await look(context, current, now)
    current = update_rollout(context, result.rollout)
    if result.decision is not Decision.ROLL_BACK:
        context.ports.telemetry.rollout_verdict(result.decision)
    if result.decision is Decision.ROLL_BACK and not (orders.paused and not result.worse):
        assert result.reason is not None, "a rollout returns for a reason"
        return await return_traffic(context, result.reason)
    if result.decision is Decision.PAUSE and result.reason is not None and not current.report.paused:
        await pause(context, current, result.reason)
    if result.decision is Decision.ADVANCE and not (orders.paused or current.report.paused):
        return await _next(context, current, orders, current.step + 1)
    await context.report()
    current = context.attempt.rollout or current
    return _waiting(context, current, orders, now)


async def _next(context: ReconcileContext, current: Rollout, orders: RolloutOrders, step: int) -> Outcome:
    if orders.paused or current.report.paused:
        return _paused(context, current, context.ports.clock())
    report = replace(_decided(current.report, Decision.ADVANCE), progress=Progress.PREPARING, paused="")
    following = update_rollout(context, replace(current, step=step, report=report))
    return await _grow(context, following) or await _shift(context, following)


def _last_step(current: Rollout) -> Rollout:
    return replace(current, step=len(current.report.steps) - 1)


def _decided(report: RolloutReport, decision: Decision) -> RolloutReport:
    """The report with the decision about its last step, unless that step has ended before."""
    if not report.results or report.results[-1].decision is not None:
        return report
    *earlier, last = report.results
    return replace(report, results=(*earlier, replace(last, decision=decision)))


def _waiting(context: ReconcileContext, current: Rollout, orders: RolloutOrders, now: datetime) -> Waiting:
    if orders.paused or current.report.paused:
        return _paused(context, current, now)
    looks = current.counts.looks if current.counts is not None else 0
    reason = StepRunning(current.weight, looks, criteria(context).criteria.looks)
    return _wait(reason, current.next_look or now)


def _paused(context: ReconcileContext, current: Rollout, now: datetime) -> Waiting:
    soon = min(current.next_look or now, now + _ORDERS_CHECK)
    return _wait(PlainRolloutReason.PAUSED, soon if soon > now else now + timedelta(seconds=1))


def _repeat_checks(context: ReconcileContext) -> None:
    """The checks run again with the traffic of the step."""
    titles = {check.title for check in context.section.checks}
    others = tuple(check for check in context.status.checks if check.name not in titles)
    status = _restarted(context, Phase.CHECKS)
    context.update_status(replace(status, checks=others))
    applied = {name: of for name, of in context.attempt.applied.items() if not name.startswith("check/")}
    context.update_attempt(replace(context.attempt, applied=applied, check_attempts={}))


def _restarted(context: ReconcileContext, phase: Phase) -> Status:
    """The phase and those after it run again; this one goes on."""
    own = context.status.phases[Phase.ROLLOUT]
    status = transitions.phase_restarted(context.status, phase, context.ports.clock())
    return replace(status, phases={**status.phases, Phase.ROLLOUT: own}, phase=Phase.ROLLOUT)


def _wait(reason: EnvironmentReason, again: datetime) -> Waiting:
    """The promotion limits the time of its rollout."""
    return Waiting(reason, again, until=datetime.max.replace(tzinfo=again.tzinfo))
