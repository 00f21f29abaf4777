"""Deletes an environment: only with evidence, and watched until its namespace is deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.environments import transitions
from bot.environments.context import ReconcileContext
from bot.environments.desired_state import Absent
from bot.environments.infrastructure_teardown import destroy_infrastructure
from bot.environments.phases.secrets import revoke_all
from bot.environments.reasons import DeploymentsDeactivated, Overdue
from bot.environments.waiting import DELETION_CHECK_AGAIN, DELETION_OVERDUE, DELETION_REPORT_AFTER
from bot.model.environment import Attempt, EndReason, EnvironmentState, Status
from bot.model.errors import Rejected
from bot.model.manifest import NamespaceState, NamespaceView

log = structlog.get_logger()

_MINUTE = timedelta(minutes=1)
_REFUSALS = (EndReason.FORK, EndReason.SKIPPED)
_ACTIONS = {EndReason.FORK: "refused", EndReason.SKIPPED: "skipped", EndReason.UNCONFIGURED: "skipped"}
"""The action in the decision log; "gone" for all others."""


async def teardown(context: ReconcileContext, absent: Absent) -> datetime | None:
    """Returns when to check again, None when nothing is left.

    The caller has the evidence: the pull request as read for this generation, the deadline that passed, or
    a removal that GitHub reported and confirmed. The cluster client also requires the namespace's label.
    """
    again = await destroy_infrastructure(context, absent)
    if again is not None:
        return again
    view = await context.ports.namespaces.namespace(context.namespace, context.environment.key)
    if view.state in (NamespaceState.OURS, NamespaceState.TERMINATING):
        return await _delete(context, absent, view)
    state = EnvironmentState.REFUSED if absent.end in _REFUSALS else EnvironmentState.GONE
    cause = context.message(absent.reason)
    settled = context.status.state is state and context.status.cause == cause
    if not settled:
        context.decide(_ACTIONS.get(absent.end, "gone"), absent.reason)
    _record_overdue(context, absent)
    attempt = Attempt(
        pull_request=context.attempt.pull_request,
        configuration=context.attempt.configuration,
        overrides=context.attempt.overrides,
    )
    context.update_status(Status(state, commit=context.commit or None, cause=cause, end=absent.end))
    context.update_attempt(attempt)
    context.leave_cluster()
    await _report(context)
    if settled and context.github_was_read:
        await _deactivate_deployments(context)
    return None


def _record_overdue(context: ReconcileContext, absent: Absent) -> None:
    """A deletion that took much longer than deletions do: an event was lost, or the cluster was stuck."""
    if context.status.state is not EnvironmentState.DELETING or absent.since is None:
        return
    late = context.ports.clock() - absent.since
    if late >= DELETION_OVERDUE:
        context.decide("reclaimed", Overdue(late // _MINUTE))
        context.ports.telemetry.leaked(absent.end.value, late / _MINUTE)


async def _deactivate_deployments(context: ReconcileContext) -> None:
    """A hint arrived for a deleted environment: none of its Deployments may be active on GitHub."""
    if context.attempt.pull_request is None:
        return
    pull = context.pull_request
    try:
        count = await context.ports.deployments.retire(context.environment.key, pull, context.fence)
    except Rejected as error:
        log.warning("active Deployments cannot be listed", reason=str(error))
        return
    if count:
        context.decide("reclaimed", DeploymentsDeactivated(count))
        since = pull.closed_at
        minutes = (context.ports.clock() - since) / _MINUTE if since else 0.0
        context.ports.telemetry.leaked("deployment", minutes)


async def _delete(context: ReconcileContext, absent: Absent, view: NamespaceView) -> datetime:
    now = context.ports.clock()
    if context.status.state is not EnvironmentState.DELETING:
        cause = context.message(absent.reason)
        context.update_status(transitions.deleting(context.status, absent.end, cause))
        context.update_attempt(replace(context.attempt, deleting_since=now))
        context.decide("deleting", absent.reason)
    if view.state is NamespaceState.OURS:
        await revoke_all(context, now - (context.attempt.deleting_since or now))
        await context.ports.namespaces.delete_namespace(
            context.namespace, context.environment.key, context.fence
        )
    since = context.attempt.deleting_since or now
    if now - since < DELETION_REPORT_AFTER:
        return since + DELETION_REPORT_AFTER
    blocked = context.message(absent.reason, view.blockers)
    context.update_status(transitions.deleting(context.status, absent.end, blocked))
    await _report(context)
    return now + DELETION_CHECK_AGAIN


async def _report(context: ReconcileContext) -> None:
    """Continues when GitHub accepts no report, as for an archived repository.

    A pull request that cannot be seen now may be visible later: it counts as never read, and is reported
    then. An archived repository stays visible.
    """
    try:
        await context.report()
    except Rejected as error:
        log.warning("end of the environment not reported", reason=str(error))
        status = context.status
        if status.end is not EndReason.ARCHIVED and status.state is not EnvironmentState.DELETING:
            context.update_attempt(replace(context.attempt, pull_request=None))
