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


async def namespace(run: ReconcileContext) -> Outcome:
    """The namespace with its guard rails, then configuration: all before any workload."""
    view = await run.ports.namespaces.namespace(run.namespace, run.environment.key)
    if view.state is NamespaceState.FOREIGN:
        return Failed(
            f"The namespace {run.namespace} exists, but it was not made for this environment, so it is left "
            "alone: rename or delete it, then push again.",
            final=True,
        )
    if view.state is NamespaceState.TERMINATING:
        return _wait(run, Phase.NAMESPACE, "Waiting until the namespace of before is gone.", view.blockers)
    if view.state is NamespaceState.ABSENT:
        if "rails" in run.attempt.applied:
            await run.save(("reclaimed", "Its namespace was deleted by somebody else, and is made again."))
            run.ports.telemetry.leaked("namespace", 0.0)
        run.remember(applied={}, answers=0, tries={})
        run.set(url=None, checks=())
    bundle = bundle_of(run)
    rails = f"{bundle.release.id} {run.size}"
    if run.attempt.applied.get("rails") != rails:
        environment = run.environment
        await run.ports.namespaces.prepare(
            run.namespace,
            environment.key,
            environment.repository,
            environment.generation,
            run.size,
            run.fence,
        )
        run.remember(applied={**run.attempt.applied, "rails": rails})
        await run.save()
    if run.secrets.values and run.attempt.applied.get("secrets") != run.secrets.digest:
        environment = run.environment
        await run.ports.workloads.inject(
            run.namespace, environment.key, environment.repository, run.secrets.values, run.fence
        )
        run.remember(applied={**run.attempt.applied, "secrets": run.secrets.digest})
        await run.save()
    await apply(run, Wave.CONFIGURATION)
    return Done()


async def workloads(run: ReconcileContext) -> Outcome:
    await apply(run, Wave.WORKLOADS)
    return await settle(run, Phase.WORKLOADS, bundle_of(run).waves.get(Wave.WORKLOADS, ()))


async def route(run: ReconcileContext) -> Outcome:
    bundle = bundle_of(run)
    await apply(run, Wave.ROUTE)
    outcome = await settle(run, Phase.ROUTE, bundle.waves.get(Wave.ROUTE, ()))
    pruned = run.asleep or run.attempt.applied.get("pruned") == bundle.release.id
    if isinstance(outcome, Done) and not pruned:
        await run.ports.workloads.prune(run.namespace, bundle, run.fence)
        run.remember(applied={**run.attempt.applied, "pruned": bundle.release.id})
        await run.save()
    return outcome


async def probe(run: ReconcileContext) -> Outcome:
    """The URL is told only after the gateway answered from this very release, several times in a row."""
    bundle = bundle_of(run)
    if run.configuration is None or run.configuration.route is None or run.status.url is not None:
        return Done()
    if run.asleep:
        return Done()
    old_pods = await run.ports.health.old_pods(run.namespace, bundle.release.id)
    needed = _ANSWERS_BESIDE_OLD_PODS if old_pods else _ANSWERS_ALONE
    while run.attempt.answers < needed:
        answer = await run.gateway.get(run.host, "/")
        if answer.status is None or answer.status >= 500 or answer.release_id != bundle.release.id:
            run.remember(answers=0)
            told = answer.error or f"HTTP {answer.status} from release {answer.release_id or 'unknown'}"
            waited = run.ports.clock() - run.waits_since(Phase.PROBE)
            pause = min(max(waited / 4, timedelta(milliseconds=100)), timedelta(seconds=5))
            return _wait(run, Phase.PROBE, f"Waiting for the gateway to answer: {told}.", answer.body, pause)
        run.remember(answers=run.attempt.answers + 1)
        if old_pods and run.attempt.answers < needed:
            return _wait(run, Phase.PROBE, "The gateway answers; asking again.", pause=_BETWEEN_ANSWERS)
    run.set(url=run.gateway.url(run.host), live_commit=run.status.commit)
    return Done()


async def apply(run: ReconcileContext, wave: Wave) -> None:
    """Applies the wave's objects, once for each content of theirs."""
    bundle = bundle_of(run)
    objects = bundle.waves.get(wave, ())
    digest = bundle.digests.get(wave, "")
    if objects and run.attempt.applied.get(wave) != digest:
        await run.ports.workloads.apply(run.namespace, objects, run.fence)
        run.remember(applied={**run.attempt.applied, wave: digest})
        await run.save()


async def settle(run: ReconcileContext, phase: Phase, objects: Sequence[Manifest]) -> Outcome:
    if not objects:
        return Done()
    return verdict(run, phase, await run.ports.health.observe(run.namespace, objects))


def verdict(run: ReconcileContext, phase: Phase, states: Sequence[ObjectState]) -> Outcome:
    """Failed if one failed, waiting while one progresses, done when all are ready."""
    for state in states:
        if state.condition is Condition.FAILED:
            return Failed(f"{state.kind} {state.name}: {state.message}", final=True, detail=state.detail)
    waiting = [state for state in states if state.condition is Condition.PROGRESSING]
    if not waiting:
        return Done()
    first = waiting[0]
    return _wait(
        run, phase, f"Waiting for {first.kind} {first.name}: {first.message}".rstrip(": "), first.detail
    )


def _wait(
    run: ReconcileContext, phase: Phase, what: str, detail: str = "", pause: timedelta = LOOK_AGAIN
) -> Waiting:
    return Waiting(what, run.ports.clock() + pause, run.waits_since(phase) + LIMITS[phase], detail)


def bundle_of(run: ReconcileContext) -> Bundle:
    assert run.bundle is not None, "the render phase runs first"
    return run.bundle
