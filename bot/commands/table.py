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
    SLEEP = "/preview sleep"
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
    LOCK = "/lock"
    UNLOCK = "/unlock"
    HOLD = "/hold"
    UNHOLD = "/unhold"
    STATUS = "/status"
    WHY = "/why"
    HELP = "/help"


PreviewVerb = Literal[Verb.PREVIEW, Verb.REFRESH, Verb.SLEEP, Verb.EXTEND, Verb.DESTROY, Verb.RESEED]
StageVerb = Literal[
    Verb.PROMOTE,
    Verb.REPLACE,
    Verb.ROLLBACK,
    Verb.APPROVE,
    Verb.REJECT,
    Verb.PAUSE,
    Verb.RESUME,
    Verb.ABORT,
    Verb.LOCK,
    Verb.UNLOCK,
    Verb.HOLD,
    Verb.UNHOLD,
]
STAGE_VERBS: frozenset[Verb] = frozenset(get_args(StageVerb))

_REASON_WORDS = 100
"""Longest reason."""


@dataclass(frozen=True, slots=True)
class Entry:
    usage: str
    """Example in the help."""
    does: str
    """Follows the usage in the help; begins in lower case."""
    roles: frozenset[Role]
    fork_author: bool = False
    """The author of a fork's pull request may use it there, whatever the role."""
    bound: bool = False
    """It applies to the head that the user saw, and is refused for another head."""
    words: tuple[int, int] = (0, 0)
    """Least and largest number of words that may follow."""
    sets_preview_state: bool = False
    """Of several such commands, the one that was typed last counts, in whatever order they arrive."""

    @property
    def takes_reason(self) -> bool:
        """The stage is optional, and a reason may follow."""
        return self.words == _REASON


def stage_verb(verb: Verb) -> StageVerb | None:
    """The verb of a command about stages; None for other commands. A verb of no family is a type error."""
    match verb:
        case Verb.PREVIEW | Verb.REFRESH | Verb.SLEEP | Verb.EXTEND | Verb.DESTROY | Verb.RESEED:
            return None
        case Verb.STATUS | Verb.WHY | Verb.HELP:
            return None
        case _:
            return verb


_STAGE, _ONE_STAGE, _REASON, _STAGE_AND_REASON = (0, 1), (1, 1), (0, _REASON_WORDS), (1, _REASON_WORDS)

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
        "/preview sleep",
        "stops the workloads and keeps the data",
        _TENDERS,
        fork_author=True,
        sets_preview_state=True,
    ),
    Verb.EXTEND: Entry("/extend 24h", "extends the preview's lifetime (`90m`, `24h`, `3d`)", _TENDERS),
    Verb.DESTROY: Entry(
        "/destroy", "deletes the preview and its data", _TENDERS, fork_author=True, sets_preview_state=True
    ),
    Verb.RESEED: Entry("/reseed", "resets the data to the seed", _WRITERS, bound=True),
    Verb.PROMOTE: Entry(
        "/promote staging",
        "deploys this pull request's build to a stage or demo; optionally name a release or tag",
        _WRITERS,
        bound=True,
        words=(1, 2),
    ),
    Verb.REPLACE: Entry(
        "/replace staging",
        "promotes like `/promote`, and recreates objects whose immutable fields changed",
        _MAINTAINERS,
        bound=True,
        words=(1, 2),
    ),
    Verb.ROLLBACK: Entry(
        "/rollback staging", "rolls a stage back to the previous verified release", _WRITERS, words=_ONE_STAGE
    ),
    Verb.APPROVE: Entry(
        "/approve staging",
        "approves the pending promotion; optionally name the release that you approve",
        _WRITERS,
        words=(0, 2),
    ),
    Verb.REJECT: Entry(
        "/reject staging not today",
        "rejects the pending promotion; a reason is optional",
        _WRITERS,
        words=_REASON,
    ),
    Verb.PAUSE: Entry("/pause staging", "pauses a promotion", _WRITERS, words=_STAGE),
    Verb.RESUME: Entry("/resume staging", "continues a paused promotion", _WRITERS, words=_STAGE),
    Verb.ABORT: Entry(
        "/abort staging", "cancels a promotion and undoes its changes", _WRITERS, words=_REASON
    ),
    Verb.LOCK: Entry(
        "/lock staging for 2h load test",
        "locks a stage for you until the lock expires",
        _WRITERS,
        words=_STAGE_AND_REASON,
    ),
    Verb.UNLOCK: Entry(
        "/unlock staging",
        "releases the lock; unlocking someone else's requires `maintain`",
        _WRITERS,
        words=_ONE_STAGE,
    ),
    Verb.HOLD: Entry(
        "/hold staging", "blocks automatic promotions to a stage", _WRITERS, words=_STAGE_AND_REASON
    ),
    Verb.UNHOLD: Entry(
        "/unhold staging",
        "allows automatic promotions again, also after a rollback",
        _WRITERS,
        words=_ONE_STAGE,
    ),
    Verb.STATUS: Entry(
        "/status", "shows what runs where, and until when", _READERS, fork_author=True, words=_STAGE
    ),
    Verb.WHY: Entry(
        "/why", "shows recent decisions and their reasons", _READERS, fork_author=True, words=_STAGE
    ),
    Verb.HELP: Entry("/help", "lists the commands", _READERS, fork_author=True),
}


PREVIEW_STATE_VERBS = frozenset(verb for verb, entry in COMMANDS.items() if entry.sets_preview_state)


_OFFERED: Mapping[EnvironmentState, tuple[Verb, ...]] = {
    EnvironmentState.READY: (Verb.EXTEND, Verb.DESTROY, Verb.HELP),
    EnvironmentState.CHECKS_FAILED: (Verb.REFRESH, Verb.WHY, Verb.DESTROY, Verb.HELP),
    EnvironmentState.ASLEEP: (Verb.PREVIEW, Verb.DESTROY, Verb.HELP),
    EnvironmentState.WAITING: (Verb.WHY, Verb.HELP),
    EnvironmentState.FAILED: (Verb.REFRESH, Verb.WHY, Verb.HELP),
}

_BACK = {
    EndReason.FORK: "approves this commit",
    EndReason.EXPIRED: "deploys it again",
    EndReason.DESTROYED: "deploys it again",
}
"""The effect of `/preview` by the reason for which the preview ended."""


def suggested_commands(status: Status) -> Mapping[str, str]:
    """Commands suggested in the preview's comment, with their effects."""
    verbs, here = _OFFERED.get(status.state, ()), "wakes it"
    if status.end in _BACK and status.state is not EnvironmentState.DELETING:
        verbs, here = (Verb.PREVIEW, Verb.HELP), _BACK[status.end]
    return {COMMANDS[verb].usage: here if verb is Verb.PREVIEW else COMMANDS[verb].does for verb in verbs}


def allowed(verb: Verb, role: Role, *, fork_author: bool) -> bool:
    entry = COMMANDS[verb]
    return role in entry.roles or (fork_author and entry.fork_author)


def required_role(verb: Verb) -> Role:
    """The least role that may use the command."""
    return next(role for role in Role if role in COMMANDS[verb].roles)
