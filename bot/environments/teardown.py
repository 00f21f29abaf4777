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

_TELL_AFTER = timedelta(seconds=5)
"""A deletion that takes longer is told on the pull request, with what blocks it."""
_LOOK_AGAIN = timedelta(seconds=10)
_MINUTE = timedelta(minutes=1)
_LATE = timedelta(minutes=5)
"""A namespace is deleted within seconds; what stands longer than this was leaked."""

_REFUSALS = (EndReason.FORK, EndReason.SKIPPED)
_WORDS = {EndReason.FORK: "refused", EndReason.SKIPPED: "skipped", EndReason.UNCONFIGURED: "skipped"}
"""What the journal calls it; everything else is simply gone."""


async def teardown(run: ReconcileContext, unwanted: Absent) -> datetime | None:
    """Returns when to look again, None when nothing is left.

    The caller has the evidence: the pull request as read for this very generation, the deadline that passed,
    or a removal that GitHub told and confirmed. The cluster room adds the namespace's label.
    """
    ended = EnvironmentState.REFUSED if unwanted.end in _REFUSALS else EnvironmentState.GONE
    settled = run.status.state is ended and run.status.cause == unwanted.cause
    view = await run.ports.namespaces.namespace(run.namespace, run.environment.key)
    if view.state in (NamespaceState.OURS, NamespaceState.TERMINATING):
        return await _delete(run, unwanted, view.state, view.blockers)
    attempt = Attempt(
        pull_request=run.attempt.pull_request,
        configuration=run.attempt.configuration,
        overrides=run.attempt.overrides,
    )
    status = Status(ended, commit=run.commit or None, cause=unwanted.cause, end=unwanted.end)
    story = [] if settled else [(_WORDS.get(unwanted.end, "gone"), unwanted.cause.summary)]
    leak = _leak(run, unwanted)
    if leak is not None:
        story.append(("reclaimed", f"It stood {leak // _MINUTE} minutes longer than it should have."))
    run.environment = replace(run.environment, status=status, attempt=attempt)
    await run.save(*story)
    if leak is not None:
        run.ports.telemetry.leaked(unwanted.end.value, leak / _MINUTE)
    await _tell(run)
    if settled and run.asked:
        await _retire(run)
    return None


def _leak(run: ReconcileContext, unwanted: Absent) -> timedelta | None:
    """How long too long it stood, if that is more than a deletion takes: something was lost or stuck."""
    if run.status.state is not EnvironmentState.DELETING or unwanted.since is None:
        return None
    late = run.ports.clock() - unwanted.since
    return late if late >= _LATE else None


async def _retire(run: ReconcileContext) -> None:
    """Somebody asked to look again at what is gone: nothing of it may look alive on GitHub either."""
    if run.attempt.pull_request is None:
        return
    try:
        retired = await run.ports.github.retire(run.environment.key, run.pull, run.fence)
    except Rejected as error:
        log.warning("it cannot be seen which Deployments are active", reason=str(error))
        return
    if retired:
        await run.save(("reclaimed", f"{retired} Deployments on GitHub were still active."))
        since = run.pull.closed_at
        minutes = (run.ports.clock() - since) / _MINUTE if since else 0.0
        run.ports.telemetry.leaked("deployment", minutes)


async def _delete(run: ReconcileContext, unwanted: Absent, state: NamespaceState, blockers: str) -> datetime:
    now = run.ports.clock()
    if run.status.state is not EnvironmentState.DELETING:
        run.set(state=EnvironmentState.DELETING, end=unwanted.end, cause=unwanted.cause)
        run.remember(deleting_since=now)
        await run.save(("deleting", unwanted.cause.summary))
    if state is NamespaceState.OURS:
        await run.ports.namespaces.delete_namespace(run.namespace, run.environment.key, run.fence)
    since = run.attempt.deleting_since or now
    if now - since >= _TELL_AFTER:
        run.set(cause=StatusMessage(unwanted.cause.summary, blockers))
        await run.save()
        await _tell(run)
        return now + _LOOK_AGAIN
    return since + _TELL_AFTER


async def _tell(run: ReconcileContext) -> None:
    """Where GitHub lets nobody write any more, there is nothing to wait for.

    What cannot be seen now may be seen again: then it counts as never read, and is told. An archived
    repository is seen all the time.
    """
    try:
        await run.report()
    except Rejected as error:
        log.warning("the end of an environment cannot be told", reason=str(error))
        if run.status.end is not EndReason.ARCHIVED and run.status.state is not EnvironmentState.DELETING:
            run.remember(pull_request=None)
            await run.save()
