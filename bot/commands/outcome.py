"""Outcome of a command: the data of its answer; stored, so that it is answered once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.commands.grammar import UsageProblem
from bot.commands.table import Verb
from bot.environments.views import EnvironmentView
from bot.model.release import PromotableRelease
from bot.model.role import Role
from bot.promotions.views import PipelineView, StageView


class Result(StrEnum):
    """What a command led to. The values are stored; they keep the words of the first release."""

    ACCEPTED = "asked"
    """The desired state changed; the reconcile follows."""
    REPORTED = "told"
    """The answer is the result."""
    ALREADY = "already"
    """Nothing to change."""
    NO_PREVIEW = "nothing"
    """The pull request has no preview."""
    MAXIMUM = "longest"
    """The preview already has the maximum lifetime."""
    DISABLED = "unwanted"
    """The repository's configuration or state prevents the preview."""
    CLOSED = "closed"
    OVERTAKEN = "overtaken"
    """A later command was executed before."""
    MOVED = "moved"
    """The head is not the one that the commenter could see."""
    UNSEEN = "unseen"
    """The head was not known when the comment was written."""
    STARTED = "begun"
    """A promotion, which has a comment of its own: nothing else is answered."""
    DONE = "done"
    """Something about a stage, or one of its promotions."""
    SKIPPED = "skipped"
    """The remaining analysis of a rollout."""
    REFUSED = "refused"
    """Not executed; the outcome has the reason."""
    FORBIDDEN = "forbidden"
    UNKNOWN = "mistyped"
    TOO_MANY = "too_many"
    """The comment has more lines that can be commands than are parsed."""
    MISUSED = "misused"
    """A known command with missing or wrong arguments."""
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class Outcome:
    result: Result
    verb: Verb | None = None
    """None when it was mistyped or edited."""
    typed: str = ""
    """What was mistyped; hostile, like everything that users type."""
    nearest: tuple[Verb, ...] = ()
    corrected: str = ""
    """The line with the nearest command, where its arguments fit."""
    problem: UsageProblem | None = None
    """What is wrong with the arguments; `typed` has the wrong words."""
    stages: tuple[str, ...] = ()
    """The repository's stages and demos, in pipeline order, for hints."""
    ignored: int = 0
    """How many further commands of the comment were not run."""
    role: Role = Role.NONE
    head: str | None = None
    """The pull request's head when it was decided."""
    seen: str | None = None
    """The head that the commenter could see, where it is another one."""
    maximum: timedelta | None = None
    """How long a preview may live from now, where the extension was shortened to that."""
    until: datetime | None = None
    """When the preview, or the lock of a stage, expires."""
    length: timedelta | None = None
    """Length of the lock of a stage."""
    fork: bool = False
    stage: str = ""
    """What it was about, where it was not the preview, as it was typed."""
    release: PromotableRelease | None = None
    """The release that was approved."""
    reason: str = ""
    """Why the preview is prevented or was refused, as a sentence; may quote what users typed."""


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """Data of an answer to `/status` or `/why`."""

    number: int
    """Number of the pull request."""
    preview: EnvironmentView | None
    """None when the pull request has no preview."""
    pipeline: PipelineView
    stage: StageView | None = None
    """Details of the stage that the command names; None without a name, or for an unknown one."""
