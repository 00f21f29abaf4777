"""A place on the cluster, or one in the queue for it: decided before the first write to the cluster."""

from __future__ import annotations

from dataclasses import replace

from bot.environments import expiry as deadline
from bot.environments.context import ReconcileContext
from bot.model.environment import EnvironmentKind, EnvironmentState, StatusMessage
from bot.model.quota import Admission, QueuePosition, Scope

_FIRST = 10
"""Further back nobody is told the place: each change of it would be a write for every pull request there."""


async def request_slot(context: ReconcileContext) -> bool:
    """Whether it may go on; a stage always may. If not, the store wakes it when somebody leaves."""
    before = context.environment.admission
    if before is Admission.ADMITTED or context.environment.key.kind is not EnvironmentKind.PREVIEW:
        return True
    turn = await context.ports.environments.admit(context.claim, context.environment, context.policy.caps)
    if turn is not None:
        await _queue(context, turn, news=before is Admission.NONE)
        return False
    context.environment = replace(context.environment, admission=Admission.ADMITTED)
    if before is Admission.QUEUED:
        # Its time begins now: waiting in the queue costs nothing of it.
        context.set(state=EnvironmentState.PENDING, cause=None)
        context.start_expiry()
        await context.save(("admitted", "A place became free."))
        await context.report()
    return True


async def _queue(context: ReconcileContext, turn: QueuePosition, news: bool) -> None:
    cause = StatusMessage(
        queue_message(turn, context.environment.repository.full_name, context.pull_request.author)
    )
    context.environment = replace(context.environment, admission=Admission.QUEUED)
    waiting = replace(context.status, state=EnvironmentState.WAITING, phase=None, cause=cause)
    context.environment = replace(context.environment, status=deadline.clear(waiting))
    await context.save(*([("queued", cause.summary)] * news))
    await context.report()


def queue_message(turn: QueuePosition, repository: str, author: str) -> str:
    place = (
        f"{_ordinal(turn.position)} in the queue"
        if turn.position <= _FIRST
        else f"In the queue behind {_FIRST} others"
    )
    whose = {
        Scope.AUTHOR: f" of {author}",
        Scope.REPOSITORY: f" of {repository}",
        Scope.INSTALLATION: "",
    }[turn.scope]
    return (
        f"{place}: {turn.running} of {turn.cap} previews{whose} run. It starts by itself when its turn comes."
    )


def _ordinal(number: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")
