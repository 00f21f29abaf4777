"""All commands: how they are typed, what they do, and who may give them. docs/commands.md shows the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.model.environment import EndReason, EnvironmentState, Status
from bot.model.role import Role


class Verb(StrEnum):
    """What a command asks for: its words, without what is different each time."""

    PREVIEW = "/preview"
    REFRESH = "/preview refresh"
    SLEEP = "/preview sleep"
    EXTEND = "/extend"
    DESTROY = "/destroy"
    RESEED = "/reseed"
    PROMOTE = "/promote"
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


@dataclass(frozen=True, slots=True)
class Entry:
    usage: str
    """How it is typed."""
    does: str
    """Follows the usage in a list; begins in lower case."""
    roles: frozenset[Role]
    fork_author: bool = False
    """Whether the author of a fork's pull request may give it there, whatever the role."""
    bound: bool = False
    """It runs what the commenter saw: refused when the head is another one by now."""


_READERS = frozenset(Role) - {Role.NONE}
_TENDERS = _READERS - {Role.READ}
_WRITERS = _TENDERS - {Role.TRIAGE}

COMMANDS: Mapping[Verb, Entry] = {
    Verb.PREVIEW: Entry(
        "/preview", "brings the preview up, back or awake; allows this commit of a fork", _WRITERS, bound=True
    ),
    Verb.REFRESH: Entry(
        "/preview refresh", "rolls the same commit out and checks it once more", _WRITERS, bound=True
    ),
    Verb.SLEEP: Entry("/preview sleep", "stops what runs and keeps the data", _TENDERS, fork_author=True),
    Verb.EXTEND: Entry("/extend 24h", "keeps the preview longer (`90m`, `24h`, `3d`)", _TENDERS),
    Verb.DESTROY: Entry("/destroy", "takes the preview away with its data", _TENDERS, fork_author=True),
    Verb.RESEED: Entry("/reseed", "resets the data to what the seed makes", _WRITERS, bound=True),
    Verb.PROMOTE: Entry(
        "/promote staging",
        "takes what you see to a stage or demo; a release or tag may follow",
        _WRITERS,
        bound=True,
    ),
    Verb.ROLLBACK: Entry("/rollback staging", "takes a stage back to what was verified before", _WRITERS),
    Verb.APPROVE: Entry("/approve staging", "approves the promotion that waits for it", _WRITERS),
    Verb.REJECT: Entry("/reject staging not today", "rejects it, for a reason", _WRITERS),
    Verb.PAUSE: Entry("/pause staging", "lets a promotion go no further for now", _WRITERS),
    Verb.RESUME: Entry("/resume staging", "lets it go on", _WRITERS),
    Verb.ABORT: Entry("/abort staging", "ends a promotion, and undoes what it did", _WRITERS),
    Verb.LOCK: Entry("/lock staging for 2h load test", "keeps a stage to yourself for a time", _WRITERS),
    Verb.UNLOCK: Entry("/unlock staging", "ends that; somebody else's takes the role `maintain`", _WRITERS),
    Verb.HOLD: Entry("/hold staging", "lets nothing automatic move a stage", _WRITERS),
    Verb.UNHOLD: Entry("/unhold staging", "ends that, also after a rollback", _WRITERS),
    Verb.STATUS: Entry("/status", "tells what runs where, and until when", _READERS, fork_author=True),
    Verb.WHY: Entry("/why", "tells what was decided, and why", _READERS, fork_author=True),
    Verb.HELP: Entry("/help", "lists the commands", _READERS, fork_author=True),
}


STAGE_VERBS = frozenset(
    {
        Verb.PROMOTE,
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
    }
)
"""These are about stages, not about the preview."""


PREVIEW_STATE_VERBS = frozenset({Verb.PREVIEW, Verb.REFRESH, Verb.SLEEP, Verb.DESTROY})
"""These say whether the preview should be up: the last one that was typed counts, whatever arrives when."""


_OFFERED: Mapping[EnvironmentState, tuple[Verb, ...]] = {
    EnvironmentState.READY: (Verb.EXTEND, Verb.DESTROY, Verb.HELP),
    EnvironmentState.ASLEEP: (Verb.PREVIEW, Verb.DESTROY, Verb.HELP),
    EnvironmentState.WAITING: (Verb.WHY, Verb.HELP),
    EnvironmentState.FAILED: (Verb.REFRESH, Verb.WHY, Verb.HELP),
}

_BACK = {
    EndReason.FORK: "allows this commit",
    EndReason.EXPIRED: "brings it back",
    EndReason.DESTROYED: "brings it back",
}
"""What `/preview` does about an end."""


def suggested_commands(status: Status) -> Mapping[str, str]:
    """What is worth typing next, with what it does: a line under the comment about the preview."""
    verbs, here = _OFFERED.get(status.state, ()), "wakes it"
    if status.end in _BACK and status.state is not EnvironmentState.DELETING:
        verbs, here = (Verb.PREVIEW, Verb.HELP), _BACK[status.end]
    return {COMMANDS[verb].usage: here if verb is Verb.PREVIEW else COMMANDS[verb].does for verb in verbs}


def allowed(verb: Verb, role: Role, *, fork_author: bool) -> bool:
    entry = COMMANDS[verb]
    return role in entry.roles or (fork_author and entry.fork_author)


def required_role(verb: Verb) -> Role:
    """The least role that may give it."""
    return next(role for role in Role if role in COMMANDS[verb].roles)
