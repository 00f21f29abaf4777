"""Hooks of a chart: Jobs and Pods that run once for each deployment, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.environments.context import ReconcileContext
from bot.environments.hook_reasons import HookFailed, HookWaiting
from bot.environments.outcome import Done, Failed, Outcome
from bot.environments.waiting import WATCHED
from bot.model.data import DataRecord, HookRecord
from bot.model.environment import Phase
from bot.model.hooks import DeletePolicy, HookEvent, HookPoint, hook_of, in_order
from bot.model.manifest import Condition, Manifest, ObjectState, Wave

_WAVES = {HookPoint.PRE: Wave.PRE_HOOKS, HookPoint.POST: Wave.POST_HOOKS}


async def run_pre_hooks(context: ReconcileContext, record: DataRecord) -> tuple[DataRecord, Outcome]:
    """Runs the hooks before the workloads that the deployment has not run yet; the record afterwards."""
    if not _has_hooks(context):
        return record, Done()
    return await _run_all(context, record, HookPoint.PRE, Phase.DATA)


async def run_post_hooks(context: ReconcileContext) -> Outcome:
    """Runs the hooks after the workloads that the deployment has not run yet."""
    if not _has_hooks(context):
        return Done()
    record = await context.ports.data.data(context.namespace, context.environment.key)
    if record is None:
        return Done()
    return (await _run_all(context, record, HookPoint.POST, Phase.WORKLOADS))[1]


def _has_hooks(context: ReconcileContext) -> bool:
    return context.loaded_configuration.manifests.helm is not None and not context.asleep


async def _run_all(
    context: ReconcileContext, record: DataRecord, point: HookPoint, phase: Phase
) -> tuple[DataRecord, Outcome]:
    hooks = _current(context, record.hooks)
    if hooks.completed:
        return record, Done()
    if hooks.failed:
        return record, Failed(HookFailed(hooks.failed, hooks.problem), final=True)
    for job in _due(context, hooks, point):
        name = job["metadata"]["name"]
        if name in hooks.done:
            continue
        state = await _run(context, job, point)
        if state.condition is Condition.PROGRESSING:
            return record, context.wait(phase, HookWaiting(name, state.message), state.detail, pause=WATCHED)
        if state.condition is Condition.FAILED:
            return await _fail(context, record, hooks, job, state)
        hooks = replace(hooks, done=(*hooks.done, name))
        record = await _write(context, replace(record, hooks=hooks))
    await _delete(context, _succeeded(context, hooks, point))
    if point is HookPoint.POST:
        record = await _write(context, replace(record, hooks=replace(hooks, completed=True, installed=True)))
    return record, Done()


def _current(context: ReconcileContext, hooks: HookRecord) -> HookRecord:
    """The record of this deployment; a new one for another release, target or request."""
    overrides, target = context.overrides, context.overrides.target
    serial = target.serial if target is not None else 0
    release = context.rendered.release.id
    deployment = f"{release} {serial} {overrides.refreshes} {context.reset_token}".rstrip()
    if hooks.deployment == deployment:
        return hooks
    event = HookEvent.UPGRADE if hooks.installed else HookEvent.INSTALL
    if hooks.installed and target is not None and target.rollback:
        event = HookEvent.ROLLBACK
    return HookRecord(deployment, event, installed=hooks.installed)


def _due(context: ReconcileContext, hooks: HookRecord, point: HookPoint) -> list[Manifest]:
    objects = context.rendered.waves.get(_WAVES[point], ())
    return in_order([manifest for manifest in objects if _runs(manifest, point, hooks.event)])


def _runs(manifest: Manifest, point: HookPoint, event: HookEvent) -> bool:
    hook = hook_of(manifest)
    return hook is not None and hook.runs(point, event)


async def _run(context: ReconcileContext, job: Manifest, point: HookPoint) -> ObjectState:
    wave, name = _WAVES[point], job["metadata"]["name"]
    if context.attempt.applied.get(wave) != name:
        await context.ports.workloads.apply(context.namespace, [job], context.fence, replaces=True)
        context.mark_applied(wave, name)
    [state] = await context.ports.health.observe(context.namespace, [job])
    return state


async def _fail(
    context: ReconcileContext, record: DataRecord, hooks: HookRecord, job: Manifest, state: ObjectState
) -> tuple[DataRecord, Outcome]:
    """Records the failure, so that a deleted hook does not run again in this deployment."""
    name = job["metadata"]["name"]
    failed = replace(hooks, failed=name, problem=state.message)
    record = await _write(context, replace(record, hooks=failed))
    if _has_policy(job, DeletePolicy.FAILED):
        await _delete(context, [job])
    return record, Failed(HookFailed(name, state.message), final=True, detail=state.detail)


def _succeeded(context: ReconcileContext, hooks: HookRecord, point: HookPoint) -> list[Manifest]:
    """The hooks of all kinds that are deleted after those of this point have completed."""
    waves = (Wave.CONFIGURATION, Wave.DATA, Wave.WORKLOADS, _WAVES[point])
    return [
        manifest
        for wave in waves
        for manifest in context.rendered.waves.get(wave, ())
        if _runs(manifest, point, hooks.event) and _has_policy(manifest, DeletePolicy.SUCCEEDED)
    ]


def _has_policy(manifest: Manifest, policy: DeletePolicy) -> bool:
    hook = hook_of(manifest)
    return hook is not None and policy in hook.policies


async def _delete(context: ReconcileContext, objects: Sequence[Manifest]) -> None:
    if objects:
        await context.ports.workloads.delete(context.namespace, objects, context.fence)


async def _write(context: ReconcileContext, record: DataRecord) -> DataRecord:
    await context.ports.data.record_data(context.namespace, context.environment.key, record, context.fence)
    return record
