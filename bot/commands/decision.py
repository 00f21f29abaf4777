"""The decision about a command. Pure, from what was read before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never, assert_type

from bot.commands.grammar import Command
from bot.commands.outcome import Outcome, Result
from bot.commands.ports import Change
from bot.commands.table import COMMANDS, STAGE_VERBS, PreviewVerb, StageVerb, Verb, allowed
from bot.model.command import PostedComment, RecordedCommand
from bot.model.environment import EndReason, Environment, EnvironmentState, UserOverrides
from bot.model.pull_request import PullRequest
from bot.model.role import Role
from bot.model.sleep import Sleep

_ENDED = (EnvironmentState.REFUSED, EnvironmentState.DELETING, EnvironmentState.GONE)
_DISABLED = (EndReason.SKIPPED, EndReason.UNCONFIGURED, EndReason.ARCHIVED)
_LEAST_EXTENSION = timedelta(minutes=1)
"""Shortest extension: at the maximum, a shorter one would only add the seconds since the last command."""
_RESOLUTION = timedelta(seconds=1)
"""Resolution of timestamps on GitHub."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything on which a decision depends."""

    recorded: RecordedCommand
    comment: PostedComment
    role: Role
    pull_request: PullRequest
    environment: Environment | None
    now: datetime
    longest_ttl: timedelta


@dataclass(frozen=True, slots=True)
class CommandDecision:
    outcome: Outcome
    change: Change | None = None
    """Change of the environment; None when it stays as it is."""


def decide(command: Command, situation: Situation) -> CommandDecision:
    """For a command about stages: whether it may be executed."""
    verb, pull, role = command.verb, situation.pull_request, situation.role
    accepted = Outcome(Result.ACCEPTED, verb, role=role, head=pull.head_sha, fork=pull.from_fork)
    fork_author = pull.from_fork and situation.comment.author.lower() == pull.author.lower()
    if not allowed(verb, role, fork_author=fork_author):
        return CommandDecision(replace(accepted, result=Result.FORBIDDEN))
    if verb is Verb.STATUS or verb is Verb.WHY or verb is Verb.HELP or verb is Verb.DRIFT:
        return CommandDecision(replace(accepted, result=Result.REPORTED, stage=" ".join(command.words)))
    if not pull.open and verb not in STAGE_VERBS:
        return CommandDecision(replace(accepted, result=Result.CLOSED))
    if COMMANDS[verb].bound and not _saw_head(situation):
        seen = situation.recorded.head
        if seen in (None, pull.head_sha):
            return CommandDecision(replace(accepted, result=Result.UNSEEN))
        return CommandDecision(replace(accepted, result=Result.MOVED, seen=seen))
    match verb:
        case Verb.PREVIEW | Verb.REFRESH | Verb.SLEEP | Verb.WAKE | Verb.EXTEND | Verb.DESTROY | Verb.RESEED:
            if situation.environment is None:
                return CommandDecision(replace(accepted, result=Result.NO_PREVIEW))
            return _decide_preview(verb, command, accepted, situation, situation.environment)
        case _:
            assert_type(verb, StageVerb)  # fails for a preview's command without a case
            return CommandDecision(accepted)


def _saw_head(situation: Situation) -> bool:
    """Whether the current head was the head when the comment was written.

    Compares GitHub's clock with ours; in doubt it was not, and the user repeats the command.
    """
    recorded = situation.recorded
    return (
        recorded.head == situation.pull_request.head_sha
        and recorded.head_since is not None
        and recorded.head_since < min(recorded.received_at, situation.comment.created_at + _RESOLUTION)
    )


def _decide_preview(
    verb: PreviewVerb, command: Command, accepted: Outcome, situation: Situation, environment: Environment
) -> CommandDecision:
    status, overrides = environment.status, environment.overrides
    ended = status.state in _ENDED or overrides.destroyed_by is not None
    if verb is Verb.PREVIEW or verb is Verb.REFRESH:
        if status.end in _DISABLED and not _is_blocked(situation, overrides):
            reason = status.cause.summary if status.cause else ""
            return CommandDecision(replace(accepted, result=Result.DISABLED, reason=reason))
        if verb is Verb.REFRESH:
            return CommandDecision(accepted, _unblock(situation, again=True))
        return _deploy(accepted, situation, environment)
    if ended:
        return CommandDecision(replace(accepted, result=Result.NO_PREVIEW))
    author = situation.comment.author
    match verb:
        case Verb.DESTROY:
            return CommandDecision(accepted, lambda overrides: replace(overrides, destroyed_by=author))
        case Verb.SLEEP | Verb.WAKE:
            return _decide_sleep(verb, accepted, situation, overrides)
        case Verb.RESEED:
            return CommandDecision(
                accepted, lambda overrides: replace(overrides, reseeds=overrides.reseeds + 1)
            )
        case Verb.EXTEND:
            return _extend(command.duration or timedelta(), accepted, situation, environment)
    assert_never(verb)


def _decide_sleep(
    verb: Literal[Verb.SLEEP, Verb.WAKE], accepted: Outcome, situation: Situation, overrides: UserOverrides
) -> CommandDecision:
    head, sleeps = situation.pull_request.head_sha, verb is Verb.SLEEP
    if overrides.sleeps_at(head) == sleeps:
        return CommandDecision(replace(accepted, result=Result.ALREADY))
    sleep = Sleep(head, by=situation.comment.author) if sleeps else None
    return CommandDecision(accepted, lambda overrides: replace(overrides, sleep=sleep))


def _deploy(accepted: Outcome, situation: Situation, environment: Environment) -> CommandDecision:
    status = environment.status
    again = status.end is EndReason.EXPIRED or status.state is EnvironmentState.FAILED
    if not (again or _is_blocked(situation, environment.overrides)):
        return CommandDecision(replace(accepted, result=Result.ALREADY))
    return CommandDecision(accepted, _unblock(situation, again=again))


def _is_blocked(situation: Situation, overrides: UserOverrides) -> bool:
    """Whether a command can remove what blocks the preview."""
    pull = situation.pull_request
    not_approved = pull.from_fork and overrides.allowed_commit != pull.head_sha
    return not_approved or overrides.destroyed_by is not None or overrides.sleeps_at(pull.head_sha)


def _unblock(situation: Situation, *, again: bool) -> Change:
    """Removes what blocks the preview; `again` runs all phases."""

    def change(overrides: UserOverrides) -> UserOverrides:
        refreshes = overrides.refreshes + int(again)
        overrides = replace(overrides, destroyed_by=None, sleep=None, refreshes=refreshes)
        pull, author = situation.pull_request, situation.comment.author
        if pull.from_fork:
            overrides = replace(overrides, allowed_commit=pull.head_sha, allowed_by=author)
        return overrides

    return change


def _extend(
    extension: timedelta, accepted: Outcome, situation: Situation, environment: Environment
) -> CommandDecision:
    """Extends the lifetime up to the operator's maximum, counted from now."""
    now = situation.now
    expires_at = max(environment.status.expires_at or now, environment.overrides.extended_until or now, now)
    until = min(expires_at + extension, now + situation.longest_ttl)
    if until - expires_at < _LEAST_EXTENSION:
        longest = situation.longest_ttl
        return CommandDecision(replace(accepted, result=Result.MAXIMUM, until=expires_at, maximum=longest))
    maximum = situation.longest_ttl if until < expires_at + extension else None
    return CommandDecision(
        replace(accepted, until=until, maximum=maximum),
        lambda overrides: replace(overrides, extended_until=until),
    )
