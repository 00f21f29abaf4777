"""A place on the cluster, or one in the queue for it: decided before the first write to the cluster."""

from __future__ import annotations

from dataclasses import replace

from bot.environments import expiry as deadline
from bot.environments.context import ReconcileContext
from bot.model.environment import EnvironmentKind, EnvironmentState, StatusMessage
from bot.model.quota import Admission, QueuePosition, Scope

_FIRST = 10
"""Further back nobody is told the place: each change of it would be a write for every pull request there."""


async def request_slot(run: ReconcileContext) -> bool:
    """Whether it may go on; a stage always may. If not, the store wakes it when somebody leaves."""
    before = run.environment.admission
    if before is Admission.ADMITTED or run.environment.key.kind is not EnvironmentKind.PREVIEW:
        return True
    turn = await run.ports.environments.admit(run.claim, run.environment, run.policy.caps)
    if turn is not None:
        await _queue(run, turn, news=before is Admission.NONE)
        return False
    run.environment = replace(run.environment, admission=Admission.ADMITTED)
    if before is Admission.QUEUED:
        # Its time begins now: waiting in the queue costs nothing of it.
        run.set(state=EnvironmentState.PENDING, cause=None)
        run.begin_time()
        await run.save(("admitted", "A place became free."))
        await run.report()
    return True


async def _queue(run: ReconcileContext, turn: QueuePosition, news: bool) -> None:
    cause = StatusMessage(told(turn, run.environment.repository.full_name, run.pull.author))
    run.environment = replace(run.environment, admission=Admission.QUEUED)
    waiting = replace(run.status, state=EnvironmentState.WAITING, phase=None, cause=cause)
    run.environment = replace(run.environment, status=deadline.clear(waiting))
    await run.save(*([("queued", cause.summary)] * news))
    await run.report()


def told(turn: QueuePosition, repository: str, author: str) -> str:
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
