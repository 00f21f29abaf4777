"""What a command leads to: a pure decision over what was read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.commands.grammar import Command
from bot.commands.outcome import Outcome, Result
from bot.commands.ports import Change
from bot.commands.table import COMMANDS, STAGING, Verb, allowed
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

    heard: RecordedCommand
    posted: PostedComment
    role: Role
    pull: PullRequest
    environment: Environment | None
    now: datetime
    longest_ttl: timedelta


@dataclass(frozen=True, slots=True)
class Decided:
    outcome: Outcome
    change: Change | None = None
    """None when nothing is to be changed."""


def decide(command: Command, at: Situation) -> Decided:
    said = Outcome(Result.ASKED, command.verb, role=at.role, head=at.pull.head_sha, fork=at.pull.from_fork)
    fork_author = at.pull.from_fork and at.posted.author.lower() == at.pull.author.lower()
    if not allowed(command.verb, at.role, fork_author=fork_author):
        return Decided(replace(said, result=Result.FORBIDDEN))
    if command.verb in _TOLD:
        return Decided(replace(said, result=Result.TOLD, stage=" ".join(command.words)))
    if not at.pull.open and command.verb not in STAGING:
        return Decided(replace(said, result=Result.CLOSED))
    if COMMANDS[command.verb].bound and not _could_see(at):
        moved = at.heard.head not in (None, at.pull.head_sha)
        result, seen = (Result.MOVED, at.heard.head) if moved else (Result.UNSEEN, None)
        return Decided(replace(said, result=result, seen=seen))
    if command.verb in STAGING:
        return Decided(said)
    if at.environment is None:
        return Decided(replace(said, result=Result.NOTHING))
    return _effect(command, said, at, at.environment)


def _could_see(at: Situation) -> bool:
    """Whether the head of now was the head already when the comment was written.

    Told by two clocks, GitHub's and ours, and in doubt it was not: who asks again then means the head of now.
    """
    since = at.heard.head_since
    return (
        at.heard.head == at.pull.head_sha
        and since is not None
        and since < min(at.heard.received_at, at.posted.created_at + _CLOCK)
    )


def _effect(command: Command, said: Outcome, at: Situation, environment: Environment) -> Decided:
    status, wishes = environment.status, environment.overrides
    ended = status.state in _ENDED or wishes.destroyed_by is not None
    if command.verb in (Verb.PREVIEW, Verb.REFRESH) and status.end in _UNWANTED and not _blocked(at, wishes):
        why = status.cause.summary if status.cause else ""
        return Decided(replace(said, result=Result.UNWANTED, why=why))
    author = at.posted.author
    match command.verb:
        case Verb.PREVIEW:
            return _preview(said, at, environment)
        case Verb.REFRESH:
            return Decided(said, _wanted(at, again=True))
        case _ if ended:
            return Decided(replace(said, result=Result.NOTHING))
        case Verb.DESTROY:
            return Decided(said, lambda wishes: replace(wishes, destroyed_by=author))
        case Verb.SLEEP:
            if wishes.asleep_by is not None:
                return Decided(replace(said, result=Result.ALREADY))
            return Decided(said, lambda wishes: replace(wishes, asleep_by=author))
        case Verb.RESEED:
            return Decided(said, lambda wishes: replace(wishes, reseeds=wishes.reseeds + 1))
    return _extend(command.duration or timedelta(), said, at, environment)


def _preview(said: Outcome, at: Situation, environment: Environment) -> Decided:
    status = environment.status
    again = status.end is EndReason.EXPIRED or status.state is EnvironmentState.FAILED
    if not (again or _blocked(at, environment.overrides)):
        return Decided(replace(said, result=Result.ALREADY))
    return Decided(said, _wanted(at, again=again))


def _blocked(at: Situation, wishes: UserOverrides) -> bool:
    """Whether something keeps the preview away that a command can lift."""
    unallowed = at.pull.from_fork and wishes.allowed_commit != at.pull.head_sha
    return unallowed or wishes.destroyed_by is not None or wishes.asleep_by is not None


def _wanted(at: Situation, *, again: bool) -> Change:
    """Whatever kept the preview away is lifted; `again` goes through all phases anew."""

    def change(wishes: UserOverrides) -> UserOverrides:
        wishes = replace(wishes, destroyed_by=None, asleep_by=None, refreshes=wishes.refreshes + int(again))
        if at.pull.from_fork:
            wishes = replace(wishes, allowed_commit=at.pull.head_sha, allowed_by=at.posted.author)
        return wishes

    return change


def _extend(by: timedelta, said: Outcome, at: Situation, environment: Environment) -> Decided:
    """Longer than it would live, but never longer from now than the operator allows."""
    planned = environment.status.expires_at or at.now
    planned = max(planned, environment.overrides.extended_until or at.now, at.now)
    until = min(planned + by, at.now + at.longest_ttl)
    if until - planned < _WORTH_IT:
        return Decided(replace(said, result=Result.LONGEST, until=planned))
    return Decided(replace(said, until=until), lambda wishes: replace(wishes, extended_until=until))
