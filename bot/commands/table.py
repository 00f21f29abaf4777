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
        "/preview",
        "deploys, restores or wakes the preview; approves this commit of a fork",
        _WRITERS,
        bound=True,
    ),
    Verb.REFRESH: Entry(
        "/preview refresh", "redeploys the same commit and re-runs the checks", _WRITERS, bound=True
    ),
    Verb.SLEEP: Entry("/preview sleep", "stops the workloads and keeps the data", _TENDERS, fork_author=True),
    Verb.EXTEND: Entry("/extend 24h", "extends the preview's lifetime (`90m`, `24h`, `3d`)", _TENDERS),
    Verb.DESTROY: Entry("/destroy", "deletes the preview and its data", _TENDERS, fork_author=True),
    Verb.RESEED: Entry("/reseed", "resets the data to the seed", _WRITERS, bound=True),
    Verb.PROMOTE: Entry(
        "/promote staging",
        "deploys this pull request's build to a stage or demo; optionally name a release or tag",
        _WRITERS,
        bound=True,
    ),
    Verb.ROLLBACK: Entry(
        "/rollback staging", "rolls a stage back to the previous verified release", _WRITERS
    ),
    Verb.APPROVE: Entry("/approve staging", "approves the pending promotion", _WRITERS),
    Verb.REJECT: Entry(
        "/reject staging not today", "rejects the pending promotion; a reason is optional", _WRITERS
    ),
    Verb.PAUSE: Entry("/pause staging", "pauses a promotion", _WRITERS),
    Verb.RESUME: Entry("/resume staging", "continues a paused promotion", _WRITERS),
    Verb.ABORT: Entry("/abort staging", "cancels a promotion and undoes its changes", _WRITERS),
    Verb.LOCK: Entry(
        "/lock staging for 2h load test",
        "locks a stage for you until the lock expires",
        _WRITERS,
    ),
    Verb.UNLOCK: Entry(
        "/unlock staging", "releases the lock; unlocking someone else's requires `maintain`", _WRITERS
    ),
    Verb.HOLD: Entry("/hold staging", "blocks automatic promotions to a stage", _WRITERS),
    Verb.UNHOLD: Entry(
        "/unhold staging", "allows automatic promotions again, also after a rollback", _WRITERS
    ),
    Verb.STATUS: Entry("/status", "shows what runs where, and until when", _READERS, fork_author=True),
    Verb.WHY: Entry("/why", "shows recent decisions and their reasons", _READERS, fork_author=True),
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
    """The least role that may give it."""
    return next(role for role in Role if role in COMMANDS[verb].roles)
