"""What a command leads to: a pure decision over what was read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.commands.grammar import Command
from bot.commands.outcome import Outcome, Result
from bot.commands.ports import Change
from bot.commands.table import COMMANDS, STAGE_VERBS, Verb, allowed
from bot.model.command import PostedComment, RecordedCommand
from bot.model.environment import EndReason, Environment, EnvironmentState, UserOverrides
from bot.model.pull_request import PullRequest
from bot.model.role import Role

_ENDED = (EnvironmentState.REFUSED, EnvironmentState.DELETING, EnvironmentState.GONE)
_UNWANTED = (EndReason.SKIPPED, EndReason.UNCONFIGURED, EndReason.ARCHIVED)
_TOLD = (Verb.STATUS, Verb.WHY, Verb.HELP)
_WORTH_IT = timedelta(minutes=1)
"""What `/extend` takes at the least: at the longest life it would be the seconds since it was typed last."""
_CLOCK = timedelta(seconds=1)
"""GitHub tells whole seconds."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that decides about a command."""

    command: RecordedCommand
    comment: PostedComment
    role: Role
    pull_request: PullRequest
    environment: Environment | None
    now: datetime
    longest_ttl: timedelta


@dataclass(frozen=True, slots=True)
class Decision:
    outcome: Outcome
    change: Change | None = None
    """None when nothing is to be changed."""


def decide(command: Command, at: Situation) -> Decision:
    said = Outcome(
        Result.ACCEPTED,
        command.verb,
        role=at.role,
        head=at.pull_request.head_sha,
        fork=at.pull_request.from_fork,
    )
    fork_author = at.pull_request.from_fork and at.comment.author.lower() == at.pull_request.author.lower()
    if not allowed(command.verb, at.role, fork_author=fork_author):
        return Decision(replace(said, result=Result.FORBIDDEN))
    if command.verb in _TOLD:
        return Decision(replace(said, result=Result.REPORTED, stage=" ".join(command.words)))
    if not at.pull_request.open and command.verb not in STAGE_VERBS:
        return Decision(replace(said, result=Result.CLOSED))
    if COMMANDS[command.verb].bound and not _could_see(at):
        moved = at.command.head not in (None, at.pull_request.head_sha)
        result, seen = (Result.MOVED, at.command.head) if moved else (Result.UNSEEN, None)
        return Decision(replace(said, result=result, seen=seen))
    if command.verb in STAGE_VERBS:
        return Decision(said)
    if at.environment is None:
        return Decision(replace(said, result=Result.NO_PREVIEW))
    return _effect(command, said, at, at.environment)


def _could_see(at: Situation) -> bool:
    """Whether the head of now was the head already when the comment was written.

    Told by two clocks, GitHub's and ours, and in doubt it was not: who asks again then means the head of now.
    """
    since = at.command.head_since
    return (
        at.command.head == at.pull_request.head_sha
        and since is not None
        and since < min(at.command.received_at, at.comment.created_at + _CLOCK)
    )


def _effect(command: Command, said: Outcome, at: Situation, environment: Environment) -> Decision:
    status, wishes = environment.status, environment.overrides
    ended = status.state in _ENDED or wishes.destroyed_by is not None
    if command.verb in (Verb.PREVIEW, Verb.REFRESH) and status.end in _UNWANTED and not _blocked(at, wishes):
        why = status.cause.summary if status.cause else ""
        return Decision(replace(said, result=Result.DISABLED, reason=why))
    author = at.comment.author
    match command.verb:
        case Verb.PREVIEW:
            return _preview(said, at, environment)
        case Verb.REFRESH:
            return Decision(said, _wanted(at, again=True))
        case _ if ended:
            return Decision(replace(said, result=Result.NO_PREVIEW))
        case Verb.DESTROY:
            return Decision(said, lambda wishes: replace(wishes, destroyed_by=author))
        case Verb.SLEEP:
            if wishes.asleep_by is not None:
                return Decision(replace(said, result=Result.ALREADY))
            return Decision(said, lambda wishes: replace(wishes, asleep_by=author))
        case Verb.RESEED:
            return Decision(said, lambda wishes: replace(wishes, reseeds=wishes.reseeds + 1))
    return _extend(command.duration or timedelta(), said, at, environment)


def _preview(said: Outcome, at: Situation, environment: Environment) -> Decision:
    status = environment.status
    again = status.end is EndReason.EXPIRED or status.state is EnvironmentState.FAILED
    if not (again or _blocked(at, environment.overrides)):
        return Decision(replace(said, result=Result.ALREADY))
    return Decision(said, _wanted(at, again=again))


def _blocked(at: Situation, wishes: UserOverrides) -> bool:
    """Whether something keeps the preview away that a command can lift."""
    unallowed = at.pull_request.from_fork and wishes.allowed_commit != at.pull_request.head_sha
    return unallowed or wishes.destroyed_by is not None or wishes.asleep_by is not None


def _wanted(at: Situation, *, again: bool) -> Change:
    """Whatever kept the preview away is lifted; `again` goes through all phases anew."""

    def change(wishes: UserOverrides) -> UserOverrides:
        wishes = replace(wishes, destroyed_by=None, asleep_by=None, refreshes=wishes.refreshes + int(again))
        if at.pull_request.from_fork:
            wishes = replace(wishes, allowed_commit=at.pull_request.head_sha, allowed_by=at.comment.author)
        return wishes

    return change


def _extend(by: timedelta, said: Outcome, at: Situation, environment: Environment) -> Decision:
    """Longer than it would live, but never longer from now than the operator allows."""
    planned = environment.status.expires_at or at.now
    planned = max(planned, environment.overrides.extended_until or at.now, at.now)
    until = min(planned + by, at.now + at.longest_ttl)
    if until - planned < _WORTH_IT:
        return Decision(replace(said, result=Result.MAXIMUM, until=planned))
    return Decision(replace(said, until=until), lambda wishes: replace(wishes, extended_until=until))
