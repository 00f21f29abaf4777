"""The phases on the cluster, but for data: namespace, workloads, route, probe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bot.environments.context import ReconcileContext
from bot.model.environment import Phase
from bot.model.manifest import Bundle, Condition, Manifest, NamespaceState, ObjectState, Wave
from bot.model.outcome import Done, Failed, Outcome, Waiting

LIMITS = {
    Phase.NAMESPACE: timedelta(minutes=5),
    Phase.DATA: timedelta(minutes=15),
    Phase.WORKLOADS: timedelta(minutes=10),
    Phase.ROUTE: timedelta(minutes=2),
    Phase.PROBE: timedelta(minutes=2),
}
"""How long a phase may wait for the cluster. Kubernetes' own progress deadline is ten minutes."""

LOOK_AGAIN = timedelta(seconds=15)
"""The watch wakes a waiting environment at once; this is for an event that was lost."""

_ANSWERS_ALONE = 2
"""Right answers in a row that are needed when only pods of this release exist."""
_ANSWERS_BESIDE_OLD_PODS = 4
"""While pods of the release before still terminate: a Service's address follows its pods up to a second
after the rollout says it is complete, so the answers must span more than that."""
_BETWEEN_ANSWERS = timedelta(milliseconds=400)


async def namespace(context: ReconcileContext) -> Outcome:
    """The namespace with its guard rails, then configuration: all before any workload."""
    view = await context.ports.namespaces.namespace(context.namespace, context.environment.key)
    if view.state is NamespaceState.FOREIGN:
        return Failed(
            f"The namespace {context.namespace} exists, but it was not made for this environment, so it is "
            "left alone: rename or delete it, then push again.",
            final=True,
        )
    if view.state is NamespaceState.TERMINATING:
        return _wait(
            context, Phase.NAMESPACE, "Waiting until the namespace of before is gone.", view.blockers
        )
    if view.state is NamespaceState.ABSENT:
        if "rails" in context.attempt.applied:
            await context.save(
                ("reclaimed", "Its namespace was deleted by somebody else, and is made again.")
            )
            context.ports.telemetry.leaked("namespace", 0.0)
        context.remember(applied={}, probe_successes=0, check_attempts={})
        context.set(url=None, checks=())
    bundle = bundle_of(context)
    rails = f"{bundle.release.id} {context.size}"
    if context.attempt.applied.get("rails") != rails:
        environment = context.environment
        await context.ports.namespaces.prepare(
            context.namespace,
            environment.key,
            environment.repository,
            environment.generation,
            context.size,
            context.fence,
        )
        context.remember(applied={**context.attempt.applied, "rails": rails})
        await context.save()
    if context.secrets.values and context.attempt.applied.get("secrets") != context.secrets.digest:
        environment = context.environment
        await context.ports.workloads.inject(
            context.namespace, environment.key, environment.repository, context.secrets.values, context.fence
        )
        context.remember(applied={**context.attempt.applied, "secrets": context.secrets.digest})
        await context.save()
    await apply(context, Wave.CONFIGURATION)
    return Done()


async def workloads(context: ReconcileContext) -> Outcome:
    await apply(context, Wave.WORKLOADS)
    return await settle(context, Phase.WORKLOADS, bundle_of(context).waves.get(Wave.WORKLOADS, ()))


async def route(context: ReconcileContext) -> Outcome:
    bundle = bundle_of(context)
    await apply(context, Wave.ROUTE)
    outcome = await settle(context, Phase.ROUTE, bundle.waves.get(Wave.ROUTE, ()))
    pruned = context.asleep or context.attempt.applied.get("pruned") == bundle.release.id
    if isinstance(outcome, Done) and not pruned:
        await context.ports.workloads.prune(context.namespace, bundle, context.fence)
        context.remember(applied={**context.attempt.applied, "pruned": bundle.release.id})
        await context.save()
    return outcome


async def probe(context: ReconcileContext) -> Outcome:
    """The URL is told only after the gateway answered from this very release, several times in a row."""
    bundle = bundle_of(context)
    if context.configuration is None or context.configuration.route is None or context.status.url is not None:
        return Done()
    if context.asleep:
        return Done()
    old_pods = await context.ports.health.old_pods(context.namespace, bundle.release.id)
    needed = _ANSWERS_BESIDE_OLD_PODS if old_pods else _ANSWERS_ALONE
    while context.attempt.probe_successes < needed:
        answer = await context.gateway.get(context.host, "/")
        if answer.status is None or answer.status >= 500 or answer.release_id != bundle.release.id:
            context.remember(probe_successes=0)
            told = answer.error or f"HTTP {answer.status} from release {answer.release_id or 'unknown'}"
            waited = context.ports.clock() - context.waiting_since(Phase.PROBE)
            pause = min(max(waited / 4, timedelta(milliseconds=100)), timedelta(seconds=5))
            return _wait(
                context, Phase.PROBE, f"Waiting for the gateway to answer: {told}.", answer.body, pause
            )
        context.remember(probe_successes=context.attempt.probe_successes + 1)
        if old_pods and context.attempt.probe_successes < needed:
            return _wait(context, Phase.PROBE, "The gateway answers; asking again.", pause=_BETWEEN_ANSWERS)
    context.set(url=context.gateway.url(context.host), live_commit=context.status.commit)
    return Done()


async def apply(context: ReconcileContext, wave: Wave) -> None:
    """Applies the wave's objects, once for each content of theirs."""
    bundle = bundle_of(context)
    objects = bundle.waves.get(wave, ())
    digest = bundle.digests.get(wave, "")
    if objects and context.attempt.applied.get(wave) != digest:
        await context.ports.workloads.apply(context.namespace, objects, context.fence)
        context.remember(applied={**context.attempt.applied, wave: digest})
        await context.save()


async def settle(context: ReconcileContext, phase: Phase, objects: Sequence[Manifest]) -> Outcome:
    if not objects:
        return Done()
    return outcome_of(context, phase, await context.ports.health.observe(context.namespace, objects))


def outcome_of(context: ReconcileContext, phase: Phase, states: Sequence[ObjectState]) -> Outcome:
    """Failed if one failed, waiting while one progresses, done when all are ready."""
    for state in states:
        if state.condition is Condition.FAILED:
            return Failed(f"{state.kind} {state.name}: {state.message}", final=True, detail=state.detail)
    waiting = [state for state in states if state.condition is Condition.PROGRESSING]
    if not waiting:
        return Done()
    first = waiting[0]
    return _wait(
        context, phase, f"Waiting for {first.kind} {first.name}: {first.message}".rstrip(": "), first.detail
    )


def _wait(
    context: ReconcileContext, phase: Phase, what: str, detail: str = "", pause: timedelta = LOOK_AGAIN
) -> Waiting:
    return Waiting(what, context.ports.clock() + pause, context.waiting_since(phase) + LIMITS[phase], detail)


def bundle_of(context: ReconcileContext) -> Bundle:
    assert context.bundle is not None, "the render phase runs first"
    return context.bundle
