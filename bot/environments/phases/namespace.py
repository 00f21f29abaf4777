"""Namespace phase: the namespace with its guard rails, secrets and configuration, before any workload."""

from __future__ import annotations

from dataclasses import replace

from bot.environments import transitions
from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Failed, Outcome
from bot.environments.phases.candidate import use_candidate
from bot.environments.phases.secrets import await_made_secrets, issue_credentials
from bot.environments.phases.wave import apply
from bot.environments.reasons import ForeignNamespace, PlainReason
from bot.model.environment import Phase
from bot.model.errors import Rejected
from bot.model.manifest import NamespaceState, Wave
from bot.model.reason import Reported

_PREPARATION = 3
"""Raise it when `prepare` writes something else, so that existing environments are prepared again."""

GUARD_RAILS, SECRETS, _WITHDRAWN, _STOPPED = "rails", "secrets", "withdrawn", "stopped"
"""Names under which an attempt records what it applied besides the waves."""


async def namespace(context: ReconcileContext) -> Outcome:
    environment = context.environment
    view = await context.ports.namespaces.namespace(context.namespace, environment.key)
    if view.state is NamespaceState.FOREIGN:
        return Failed(ForeignNamespace(context.namespace), final=True)
    if view.state is NamespaceState.TERMINATING:
        return context.wait(Phase.NAMESPACE, PlainReason.NAMESPACE_TERMINATING, view.blockers)
    if view.state is NamespaceState.ABSENT:
        if GUARD_RAILS in context.attempt.applied:
            context.decide("reclaimed", PlainReason.NAMESPACE_RECREATED)
            context.ports.telemetry.leaked("namespace", 0.0)
        context.update_attempt(transitions.steps_cleared(context.attempt))
        cause = context.message(PlainReason.NAMESPACE_RECREATED)
        context.update_status(transitions.namespace_lost(context.status, cause, context.ports.clock()))
    await _prepare(context)
    if (failed := await _copy_pull_secrets(context)) is not None:
        return failed
    await fill_generated(context)
    if not isinstance(credentials := await issue_credentials(context), Done):
        return credentials
    if not isinstance(candidate := await use_candidate(context), Done):
        return candidate
    if context.release_bundle is None:  # the stable revision still uses what earlier releases were given
        await _withdraw(context, is_new=view.state is NamespaceState.ABSENT)
    await _inject_secrets(context)
    await apply(context, Wave.CONFIGURATION)
    if context.asleep and _STOPPED not in context.attempt.applied:
        await context.ports.workloads.stop(context.namespace, environment.key, context.fence)
        context.mark_applied(_STOPPED, "")
    return await await_made_secrets(context)


async def _prepare(context: ReconcileContext) -> None:
    bundle = context.rendered
    context.update_status(replace(context.status, size=context.size))
    rails = " ".join(
        map(str, (_PREPARATION, bundle.release.id, context.size, context.from_fork, *bundle.pull_secrets))
    )
    if context.attempt.applied.get(GUARD_RAILS) == rails:
        return
    environment = context.environment
    await context.ports.namespaces.prepare(
        context.namespace,
        environment.key,
        environment.repository,
        environment.generation,
        context.size,
        context.fence,
        fork=context.from_fork,
    )
    context.mark_applied(GUARD_RAILS, rails)


async def _withdraw(context: ReconcileContext, *, is_new: bool) -> None:
    """No pod of this release may see what only earlier releases were given."""
    bundle, fork = context.rendered, context.from_fork
    state = f"{bundle.release.id} {bundle.secrets} {fork}"
    if context.attempt.applied.get(_WITHDRAWN) == state:
        return
    if not is_new:
        await context.ports.workloads.withdraw(
            context.namespace, context.environment.key, bundle, context.fence, fork=fork
        )
    context.mark_applied(_WITHDRAWN, state)


async def fill_generated(context: ReconcileContext) -> None:
    """Puts generated values into the bundle of this run only: nothing stores them but the namespace."""
    if context.rendered.generated:
        filled = await context.ports.workloads.fill(
            context.namespace, context.environment.key, context.rendered
        )
        context.bundle = filled.bundle
        context.secrets = replace(context.secrets, generated=filled.secrets)


async def _inject_secrets(context: ReconcileContext) -> None:
    secrets, environment = context.secrets, context.environment
    rollout = context.attempt.rollout if context.release_bundle is not None else None
    suffix = rollout.suffix if rollout is not None else ""
    if secrets.values and context.attempt.applied.get(SECRETS) != f"{secrets.digest}{suffix}":
        await context.ports.workloads.inject(
            context.namespace,
            environment.key,
            environment.repository,
            secrets.values,
            context.fence,
            candidate=suffix,
        )
        context.mark_applied(SECRETS, f"{secrets.digest}{suffix}")


async def _copy_pull_secrets(context: ReconcileContext) -> Failed | None:
    """Read in each run, because no event reports that the operator changed one."""
    environment, secrets = context.environment, context.rendered.pull_secrets
    if not secrets:
        return None
    try:
        await context.ports.workloads.copy_pull_secrets(
            context.namespace, environment.key, environment.repository, secrets, context.fence
        )
    except Rejected as error:
        # The operator can fix it without a push.
        return Failed(Reported(str(error)), final=False, detail=error.detail)
    return None
