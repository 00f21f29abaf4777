"""Taking an environment away: only with evidence, watched until gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.environments.context import ReconcileContext
from bot.environments.desired_state import Absent
from bot.model.environment import Attempt, EndReason, EnvironmentState, Status, StatusMessage
from bot.model.errors import Rejected
from bot.model.manifest import NamespaceState

log = structlog.get_logger()

_REPORT_AFTER = timedelta(seconds=5)
"""A deletion that takes longer is told on the pull request, with what blocks it."""
_LOOK_AGAIN = timedelta(seconds=10)
_MINUTE = timedelta(minutes=1)
_LATE = timedelta(minutes=5)
"""A namespace is deleted within seconds; what stands longer than this was leaked."""

_REFUSALS = (EndReason.FORK, EndReason.SKIPPED)
_ACTIONS = {EndReason.FORK: "refused", EndReason.SKIPPED: "skipped", EndReason.UNCONFIGURED: "skipped"}
"""What the journal calls it; everything else is simply gone."""


async def teardown(context: ReconcileContext, unwanted: Absent) -> datetime | None:
    """Returns when to look again, None when nothing is left.

    The caller has the evidence: the pull request as read for this very generation, the deadline that passed,
    or a removal that GitHub told and confirmed. The cluster room adds the namespace's label.
    """
    ended = EnvironmentState.REFUSED if unwanted.end in _REFUSALS else EnvironmentState.GONE
    settled = context.status.state is ended and context.status.cause == unwanted.cause
    view = await context.ports.namespaces.namespace(context.namespace, context.environment.key)
    if view.state in (NamespaceState.OURS, NamespaceState.TERMINATING):
        return await _delete(context, unwanted, view.state, view.blockers)
    attempt = Attempt(
        pull_request=context.attempt.pull_request,
        configuration=context.attempt.configuration,
        overrides=context.attempt.overrides,
    )
    status = Status(ended, commit=context.commit or None, cause=unwanted.cause, end=unwanted.end)
    story = [] if settled else [(_ACTIONS.get(unwanted.end, "gone"), unwanted.cause.summary)]
    leak = _overdue(context, unwanted)
    if leak is not None:
        story.append(("reclaimed", f"It stood {leak // _MINUTE} minutes longer than it should have."))
    context.environment = replace(context.environment, status=status, attempt=attempt)
    await context.save(*story)
    if leak is not None:
        context.ports.telemetry.leaked(unwanted.end.value, leak / _MINUTE)
    await _report(context)
    if settled and context.github_was_read:
        await _deactivate_deployments(context)
    return None


def _overdue(context: ReconcileContext, unwanted: Absent) -> timedelta | None:
    """How long too long it stood, if that is more than a deletion takes: something was lost or stuck."""
    if context.status.state is not EnvironmentState.DELETING or unwanted.since is None:
        return None
    late = context.ports.clock() - unwanted.since
    return late if late >= _LATE else None


async def _deactivate_deployments(context: ReconcileContext) -> None:
    """Somebody asked to look again at what is gone: nothing of it may look alive on GitHub either."""
    if context.attempt.pull_request is None:
        return
    try:
        retired = await context.ports.deployments.retire(
            context.environment.key, context.pull_request, context.fence
        )
    except Rejected as error:
        log.warning("it cannot be seen which Deployments are active", reason=str(error))
        return
    if retired:
        await context.save(("reclaimed", f"{retired} Deployments on GitHub were still active."))
        since = context.pull_request.closed_at
        minutes = (context.ports.clock() - since) / _MINUTE if since else 0.0
        context.ports.telemetry.leaked("deployment", minutes)


async def _delete(
    context: ReconcileContext, unwanted: Absent, state: NamespaceState, blockers: str
) -> datetime:
    now = context.ports.clock()
    if context.status.state is not EnvironmentState.DELETING:
        context.set(state=EnvironmentState.DELETING, end=unwanted.end, cause=unwanted.cause)
        context.remember(deleting_since=now)
        await context.save(("deleting", unwanted.cause.summary))
    if state is NamespaceState.OURS:
        await context.ports.namespaces.delete_namespace(
            context.namespace, context.environment.key, context.fence
        )
    since = context.attempt.deleting_since or now
    if now - since >= _REPORT_AFTER:
        context.set(cause=StatusMessage(unwanted.cause.summary, blockers))
        await context.save()
        await _report(context)
        return now + _LOOK_AGAIN
    return since + _REPORT_AFTER


async def _report(context: ReconcileContext) -> None:
    """Where GitHub lets nobody write any more, there is nothing to wait for.

    What cannot be seen now may be seen again: then it counts as never read, and is told. An archived
    repository is seen all the time.
    """
    try:
        await context.report()
    except Rejected as error:
        log.warning("the end of an environment cannot be told", reason=str(error))
        if (
            context.status.end is not EndReason.ARCHIVED
            and context.status.state is not EnvironmentState.DELETING
        ):
            context.remember(pull_request=None)
            await context.save()
