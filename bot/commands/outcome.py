"""What became of a command: all that its answer says. Kept in the store, so that an answer is given once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.commands.table import Verb
from bot.environments.views import EnvironmentView
from bot.model.role import Role
from bot.promotions.views import PipelineView, StageView


class Result(StrEnum):
    ACCEPTED = "asked"
    """What people asked for was changed: the reconcile follows."""
    REPORTED = "told"
    """The answer itself is what was asked for."""
    ALREADY = "already"
    """It is so already."""
    NO_PREVIEW = "nothing"
    """No preview stands here that this could be done to."""
    MAXIMUM = "longest"
    """The preview lives as long already as the operator allows."""
    DISABLED = "unwanted"
    """The repository's configuration, or what became of the repository, keeps the preview away."""
    CLOSED = "closed"
    OVERTAKEN = "overtaken"
    """A later command on the same was carried out before."""
    MOVED = "moved"
    """The head is not the one that the commenter could see."""
    UNSEEN = "unseen"
    """The head was not known when the comment was written."""
    STARTED = "begun"
    """A promotion, which has a comment of its own: nothing else is answered."""
    DONE = "done"
    """Something about a stage, or one of its promotions."""
    REFUSED = "refused"
    """Not done, and the outcome says why."""
    FORBIDDEN = "forbidden"
    UNKNOWN = "mistyped"
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class Outcome:
    result: Result
    verb: Verb | None = None
    """None when it was mistyped or edited."""
    typed: str = ""
    """What was mistyped; hostile, like everything that people type."""
    nearest: tuple[Verb, ...] = ()
    ignored: int = 0
    """How many further commands of the comment were not run."""
    role: Role = Role.NONE
    head: str | None = None
    """The pull request's head when it was decided."""
    seen: str | None = None
    """The head that the commenter could see, where it is another one."""
    until: datetime | None = None
    """Until when the preview, or a stage for whoever locked it, is kept."""
    fork: bool = False
    stage: str = ""
    """What it was about, where it was not the preview, as it was typed."""
    reason: str = ""
    """What keeps the preview away, or why it was refused, in a sentence; may quote what people typed."""


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """What there is to tell to whoever asked for it."""

    number: int
    """Of the pull request."""
    preview: EnvironmentView | None
    """None when nothing is known of one."""
    pipeline: PipelineView
    stage: StageView | None = None
    """The one that was asked about, at length; None when none was, or there is none of this name."""
