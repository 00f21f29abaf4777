"""Workloads phase: Deployments, Services and all that is neither data, configuration nor route."""

from __future__ import annotations

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Outcome
from bot.environments.phases.foreign_changes import restore_objects
from bot.environments.phases.hooks import run_post_hooks
from bot.environments.phases.services import see_services, wait_for_services
from bot.environments.phases.wave import apply, observe
from bot.model.environment import Phase
from bot.model.manifest import Wave
from bot.model.rollout import Progress

_UNTRACKED = "untracked"
"""Under this name an attempt records the workloads that it applied without the label in selectors."""


async def workloads(context: ReconcileContext) -> Outcome:
    if context.release_bundle is not None:
        await restore_objects(context)
    await _apply(context)
    outcome = await observe(context, Phase.WORKLOADS, Wave.WORKLOADS)
    if isinstance(outcome, Done):
        await apply(context, Wave.WORKLOADS)
    if not isinstance(outcome, Done):
        return outcome
    if context.status.phases[Phase.WORKLOADS].finished_at is None:
        if context.rendered.waves.get(Wave.POST_HOOKS) or _gets_traffic_back(context):
            outcome = await wait_for_services(context, Phase.WORKLOADS, Wave.DATA, Wave.WORKLOADS)
        elif any(check.job for check in context.section.checks):
            # Their grace starts now, not with the check.
            await see_services(context, Wave.DATA, Wave.WORKLOADS)
    return await run_post_hooks(context) if isinstance(outcome, Done) else outcome


def _gets_traffic_back(context: ReconcileContext) -> bool:
    """Whether the route phase moves all traffic from a candidate to these workloads."""
    rollout = context.attempt.rollout
    return rollout is not None and rollout.report.progress is Progress.FINISHING


async def _apply(context: ReconcileContext) -> None:
    """Applies the wave; selectors that name the side of a rollout follow when all pods have its label."""
    digest = context.rendered.digests.get(Wave.WORKLOADS, "")
    if not await _lacks_tracks(context) or context.attempt.applied.get(Wave.WORKLOADS) == digest:
        await apply(context, Wave.WORKLOADS)
        return
    driver = context.ports.rollouts
    if driver is not None and context.attempt.applied.get(_UNTRACKED) != digest:
        objects = driver.untracked(context.rendered.waves.get(Wave.WORKLOADS, ()))
        await context.ports.workloads.apply(
            context.namespace, objects, context.fence, replaces=context.replaces_objects
        )
        context.mark_applied(_UNTRACKED, digest)


async def _lacks_tracks(context: ReconcileContext) -> bool:
    """Whether the pods that run lack the label."""
    driver = context.ports.rollouts
    if driver is None or not context.section_rollout.progressive or context.release_bundle is not None:
        return False
    if _UNTRACKED in context.attempt.applied:
        return True
    if Wave.WORKLOADS in context.attempt.applied:
        return False
    stable = await driver.stable(context.namespace, context.rendered)
    return stable.exists and not stable.tracked
