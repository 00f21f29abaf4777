"""All commands: grammar, rights and help of each. docs/commands.md shows the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

from bot.model.environment import EndReason, EnvironmentState, Status
from bot.model.role import Role


class Verb(StrEnum):
    """A command without its arguments."""

    PREVIEW = "/preview"
    REFRESH = "/preview refresh"
    SLEEP = "/sleep"
    WAKE = "/wake"
    EXTEND = "/extend"
    DESTROY = "/destroy"
    RESEED = "/reseed"
    PROMOTE = "/promote"
    REPLACE = "/replace"
    ROLLBACK = "/rollback"
    APPROVE = "/approve"
    REJECT = "/reject"
    PAUSE = "/pause"
    RESUME = "/resume"
    ABORT = "/abort"
    VOUCH = "/vouch"
    LOCK = "/lock"
    UNLOCK = "/unlock"
    HOLD = "/hold"
    UNHOLD = "/unhold"
    DRIFT = "/drift"
    STATUS = "/status"
    WHY = "/why"
    HELP = "/help"


PreviewVerb = Literal[
    Verb.PREVIEW, Verb.REFRESH, Verb.SLEEP, Verb.WAKE, Verb.EXTEND, Verb.DESTROY, Verb.RESEED
]
StageVerb = Literal[
    Verb.PROMOTE,
    Verb.REPLACE,
    Verb.ROLLBACK,
    Verb.APPROVE,
    Verb.REJECT,
    Verb.PAUSE,
    Verb.RESUME,
    Verb.ABORT,
    Verb.VOUCH,
    Verb.LOCK,
    Verb.UNLOCK,
    Verb.HOLD,
    Verb.UNHOLD,
]
STAGE_VERBS: frozenset[Verb] = frozenset(get_args(StageVerb))


class Argument(StrEnum):
    """What may follow a command, in this order."""

    STAGE = "stage"
    """A stage or demo."""
    RELEASE = "release"
    MOVE = "move"
    """`--move`, which confirms that the stage moves to another cluster."""
    NOW = "now"
    """`--now`, which skips the remaining analysis of a rollout."""
    DURATION = "duration"
    """An optional duration after a stage."""
    COMMIT = "commit"
    REASON = "reason"
    """The rest of the line."""


@dataclass(frozen=True, slots=True)
class Entry:
    usage: str
    """Example in the help; STAGE stands for a stage."""
    does: str
    """Follows the usage in the help; begins in lower case."""
    roles: frozenset[Role]
    fork_author: bool = False
    """The author of a fork's pull request may use it there, whatever the role."""
    bound: bool = False
    """It applies to the head that the user saw, and is refused for another head."""
    arguments: tuple[Argument, ...] = ()
    required: bool = False
    """Whether the first argument is required."""
    sets_preview_state: bool = False
    """Whether only the last of several such commands counts, in whatever order they arrive."""

    def example(self, stage: str) -> str:
        """The usage with a stage of the repository; "" for none."""
        return self.usage.replace("STAGE", stage) if stage else self.usage


def stage_verb(verb: Verb) -> StageVerb | None:
    """The verb of a command about stages; None for other commands. A verb of no family is a type error."""
    match verb:
        case Verb.PREVIEW | Verb.REFRESH | Verb.SLEEP | Verb.WAKE:
            return None
        case Verb.EXTEND | Verb.DESTROY | Verb.RESEED:
            return None
        case Verb.DRIFT | Verb.STATUS | Verb.WHY | Verb.HELP:
            return None
        case _:
            return verb


_STAGE, _STAGE_AND_REASON = (Argument.STAGE,), (Argument.STAGE, Argument.REASON)
_STAGE_AND_RELEASE = (Argument.STAGE, Argument.RELEASE)

_READERS = frozenset(Role) - {Role.NONE}
_TENDERS = _READERS - {Role.READ}
_WRITERS = _TENDERS - {Role.TRIAGE}
_MAINTAINERS = _WRITERS - {Role.WRITE}

COMMANDS: Mapping[Verb, Entry] = {
    Verb.PREVIEW: Entry(
        "/preview",
        "deploys, restores or wakes the preview; approves this commit of a fork",
        _WRITERS,
        bound=True,
        sets_preview_state=True,
    ),
    Verb.REFRESH: Entry(
        "/preview refresh",
        "redeploys the same commit and re-runs the checks",
        _WRITERS,
        bound=True,
        sets_preview_state=True,
    ),
    Verb.SLEEP: Entry(
        "/sleep",
        "stops the preview's workloads and keeps the data",
        _TENDERS,
        fork_author=True,
        sets_preview_state=True,
    ),
    Verb.WAKE: Entry(
        "/wake",
        "starts the workloads of a sleeping preview",
        _TENDERS,
        fork_author=True,
        sets_preview_state=True,
    ),
    Verb.EXTEND: Entry(
        "/extend 24h",
        "extends the preview's lifetime (`90m`, `24h`, `3d`)",
        _TENDERS,
        arguments=(Argument.DURATION,),
        required=True,
    ),
    Verb.DESTROY: Entry(
        "/destroy", "deletes the preview and its data", _TENDERS, fork_author=True, sets_preview_state=True
    ),
    Verb.RESEED: Entry("/reseed", "resets the data to the seed", _WRITERS, bound=True),
    Verb.PROMOTE: Entry(
        "/promote STAGE",
        "deploys this pull request's build to a stage or demo; optionally name a release or tag",
        _WRITERS,
        bound=True,
        arguments=(*_STAGE_AND_RELEASE, Argument.MOVE, Argument.NOW),
        required=True,
    ),
    Verb.REPLACE: Entry(
        "/replace STAGE",
        "promotes like `/promote`, and recreates objects whose immutable fields changed",
        _MAINTAINERS,
        bound=True,
        arguments=_STAGE_AND_RELEASE,
        required=True,
    ),
    Verb.ROLLBACK: Entry(
        "/rollback STAGE",
        "rolls a stage back to the previous verified release",
        _WRITERS,
        arguments=_STAGE,
        required=True,
    ),
    Verb.APPROVE: Entry(
        "/approve STAGE",
        "approves the pending promotion; optionally name the release that you approve",
        _WRITERS,
        arguments=_STAGE_AND_RELEASE,
    ),
    Verb.REJECT: Entry(
        "/reject STAGE not today",
        "rejects the pending promotion; a reason is optional",
        _WRITERS,
        arguments=_STAGE_AND_REASON,
    ),
    Verb.PAUSE: Entry("/pause STAGE", "pauses a promotion", _WRITERS, arguments=_STAGE),
    Verb.RESUME: Entry("/resume STAGE", "continues a paused promotion", _WRITERS, arguments=_STAGE),
    Verb.ABORT: Entry(
        "/abort STAGE", "cancels a promotion and undoes its changes", _WRITERS, arguments=_STAGE_AND_REASON
    ),
    Verb.VOUCH: Entry(
        "/vouch",
        "takes responsibility for commits whose author GitHub does not know; you then count as their author",
        _MAINTAINERS,
        bound=True,
        arguments=(Argument.COMMIT,),
    ),
    Verb.LOCK: Entry(
        "/lock STAGE 2h load test",
        "locks a stage for you until the lock expires",
        _WRITERS,
        arguments=(Argument.STAGE, Argument.DURATION, Argument.REASON),
        required=True,
    ),
    Verb.UNLOCK: Entry(
        "/unlock STAGE",
        "releases the lock; unlocking someone else's requires `maintain`",
        _WRITERS,
        arguments=_STAGE,
        required=True,
    ),
    Verb.HOLD: Entry(
        "/hold STAGE",
        "blocks automatic promotions to a stage",
        _WRITERS,
        arguments=_STAGE_AND_REASON,
        required=True,
    ),
    Verb.UNHOLD: Entry(
        "/unhold STAGE",
        "allows automatic promotions again, also after a rollback",
        _WRITERS,
        arguments=_STAGE,
        required=True,
    ),
    Verb.DRIFT: Entry(
        "/drift STAGE",
        "compares a stage's live objects with what was deployed there, and shows the last result",
        _READERS,
        arguments=_STAGE,
        required=True,
    ),
    Verb.STATUS: Entry(
        "/status", "shows what runs where, and until when", _READERS, fork_author=True, arguments=_STAGE
    ),
    Verb.WHY: Entry(
        "/why", "shows recent decisions and their reasons", _READERS, fork_author=True, arguments=_STAGE
    ),
    Verb.HELP: Entry("/help", "lists the commands", _READERS, fork_author=True),
}


PREVIEW_STATE_VERBS = frozenset(verb for verb, entry in COMMANDS.items() if entry.sets_preview_state)


_OFFERED: Mapping[EnvironmentState, tuple[Verb, ...]] = {
    EnvironmentState.READY: (Verb.EXTEND, Verb.DESTROY, Verb.HELP),
    EnvironmentState.CHECKS_FAILED: (Verb.REFRESH, Verb.WHY, Verb.DESTROY, Verb.HELP),
    EnvironmentState.ASLEEP: (Verb.WAKE, Verb.DESTROY, Verb.HELP),
    EnvironmentState.WAITING: (Verb.WHY, Verb.HELP),
    EnvironmentState.FAILED: (Verb.REFRESH, Verb.WHY, Verb.HELP),
}

_BACK = {
    EndReason.FORK: "approves this commit",
    EndReason.EXPIRED: "deploys it again",
    EndReason.DESTROYED: "deploys it again",
}
"""The effect of `/preview` by the reason for which the preview ended."""


def suggested_commands(status: Status, stage: str | None = None) -> Mapping[str, str]:
    """Commands suggested in the preview's comment, with their effects.

    `stage` is the first one of the pipeline, if there is a pipeline.
    """
    if status.end in _BACK and status.state is not EnvironmentState.DELETING:
        return {
            COMMANDS[Verb.PREVIEW].usage: _BACK[status.end],
            COMMANDS[Verb.HELP].usage: COMMANDS[Verb.HELP].does,
        }
    offered = {COMMANDS[verb].usage: COMMANDS[verb].does for verb in _OFFERED.get(status.state, ())}
    if status.state is EnvironmentState.READY and stage is not None:
        return {COMMANDS[Verb.PROMOTE].example(stage): f"deploys this build to {stage}", **offered}
    return offered


def allowed(verb: Verb, role: Role, *, fork_author: bool) -> bool:
    entry = COMMANDS[verb]
    return role in entry.roles or (fork_author and entry.fork_author)


def required_role(verb: Verb) -> Role:
    """The least role that may use the command."""
    return next(role for role in Role if role in COMMANDS[verb].roles)
