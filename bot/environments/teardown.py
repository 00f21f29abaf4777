"""Taking an environment away: only with evidence, watched until gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.environments.desire import Unwanted
from bot.environments.run import Run
from bot.model.environment import Attempt, Cause, End, EnvironmentState, Status
from bot.model.manifest import NamespaceState

_TELL_AFTER = timedelta(seconds=5)
"""A deletion that takes longer is told on the pull request, with what blocks it."""
_LOOK_AGAIN = timedelta(seconds=10)

_REFUSALS = (End.FORK, End.SKIPPED)
_WORDS = {End.FORK: "refused", End.SKIPPED: "skipped", End.UNCONFIGURED: "skipped"}
"""What the journal calls it; everything else is simply gone."""


async def teardown(run: Run, unwanted: Unwanted) -> datetime | None:
    """Returns when to look again, None when nothing is left.

    The caller read the pull request for this very generation: that, or the deadline that passed, is the
    evidence; the cluster room adds the namespace's label.
    """
    ended = EnvironmentState.REFUSED if unwanted.end in _REFUSALS else EnvironmentState.GONE
    settled = run.status.state is ended and run.status.cause == unwanted.cause
    view = await run.peers.cluster.namespace(run.namespace, run.environment.key)
    if view.state in (NamespaceState.OURS, NamespaceState.TERMINATING):
        return await _delete(run, unwanted, view.state, view.blockers)
    attempt = Attempt(pull_request=run.pull, wishes=run.attempt.wishes)
    status = Status(ended, commit=run.pull.head_sha, cause=unwanted.cause, end=unwanted.end)
    run.environment = replace(run.environment, status=status, attempt=attempt)
    await run.save(*(() if settled else [(_WORDS.get(unwanted.end, "gone"), unwanted.cause.summary)]))
    await run.report()
    return None


async def _delete(run: Run, unwanted: Unwanted, state: NamespaceState, blockers: str) -> datetime:
    now = run.peers.clock()
    if run.status.state is not EnvironmentState.DELETING:
        run.set(state=EnvironmentState.DELETING, end=unwanted.end, cause=unwanted.cause)
        run.remember(deleting_since=now)
        await run.save(("deleting", unwanted.cause.summary))
    if state is NamespaceState.OURS:
        await run.peers.cluster.delete_namespace(run.namespace, run.environment.key, run.fence)
    since = run.attempt.deleting_since or now
    if now - since >= _TELL_AFTER:
        run.set(cause=Cause(unwanted.cause.summary, blockers))
        await run.save()
        await run.report()
        return now + _LOOK_AGAIN
    return since + _TELL_AFTER
