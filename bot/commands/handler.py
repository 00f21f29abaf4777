"""Executes a command, from reading its comment to the answer; crash-safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from bot.commands.decision import CommandDecision, Situation, decide
from bot.commands.grammar import (
    TOO_MANY_COMMANDS,
    Command,
    Misuse,
    UnknownCommand,
    digest,
    parse,
)
from bot.commands.outcome import Outcome, Result
from bot.commands.ports import CommandStore, CommentPort, EnvironmentReader, RoleReader
from bot.commands.stage_commands import StageCommands
from bot.commands.status_query import StatusQuery
from bot.commands.table import Verb, stage_verb
from bot.environments.ports import Clock, PullRequestReader
from bot.model.command import PostedComment, RecordedCommand
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.role import Role
from bot.model.work import Claim

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CommandPorts:
    commands: CommandStore
    environments: EnvironmentReader
    comments: CommentPort
    pull_requests: PullRequestReader
    collaborators: RoleReader
    stage_commands: StageCommands
    status_query: StatusQuery
    clock: Clock
    refusal_note: Callable[[Outcome], str]
    """Text for the journal about a command that was not executed; "" for other commands."""


class CommandHandler:
    """Handler of `command:` work."""

    def __init__(self, ports: CommandPorts, longest_ttl: timedelta) -> None:
        self._ports = ports
        self._longest_ttl = longest_ttl

    async def __call__(self, claim: Claim) -> None:
        stored = await self._ports.commands.claimed(claim)
        if stored is None or stored[0].finished:
            return
        recorded, outcome = stored
        structlog.contextvars.bind_contextvars(
            comment=recorded.comment_id, repository=recorded.repository.full_name
        )
        if outcome is None:
            outcome = await self._execute(claim, recorded)
            if outcome is not None and outcome.result is Result.STARTED:
                return  # The promotion has a comment of its own; the decision finished the command.
        if outcome is not None and outcome.result is not Result.STARTED:
            await self._answer(claim, recorded, outcome)
        await self._ports.commands.finish(claim, recorded)

    async def _execute(self, claim: Claim, recorded: RecordedCommand) -> Outcome | None:
        """None when there is no user to answer."""
        comment = await self._read_comment(recorded)
        if comment is None or comment.by_bot or comment.number != recorded.number:
            return None
        decision = await self._decide(recorded, comment)
        if decision is None:
            return None
        outcome = decision.outcome
        log.info(
            "command decided",
            by=comment.author,
            command=outcome.verb,
            result=outcome.result,
            reason=outcome.reason,
        )
        return await self._ports.commands.decide(
            claim, recorded, outcome, decision.change, comment.author, self._ports.refusal_note
        )

    async def _read_comment(self, recorded: RecordedCommand) -> PostedComment | None:
        """What was confirmed on a page is decided as a comment that was written when the page was shown."""
        page = recorded.page
        if page is not None:
            return PostedComment(page.text, page.by.login, False, page.shown_at, recorded.number)
        comment = await self._ports.comments.comment(recorded.repository, recorded.comment_id)
        if comment is not None and not comment.by_bot and comment.number == recorded.number:
            await self._acknowledge(recorded)
        return comment

    async def _decide(self, recorded: RecordedCommand, comment: PostedComment) -> CommandDecision | None:
        parsed = await asyncio.to_thread(parse, comment.body)  # hostile Markdown takes long
        if parsed is None or digest(comment.body) != recorded.digest:
            return CommandDecision(Outcome(Result.EDITED))
        command = parsed.first
        if command is TOO_MANY_COMMANDS:
            return CommandDecision(Outcome(Result.TOO_MANY))
        if not isinstance(command, Command):
            return CommandDecision(await self._hint(recorded, command))
        ports, key = self._ports, EnvironmentKey.preview(recorded.repository.id, recorded.number)
        pull = await ports.pull_requests.pull_request(recorded.repository, recorded.number)
        if pull is None:
            return None
        verb = stage_verb(command.verb)
        situation = Situation(
            recorded=recorded,
            comment=comment,
            role=await self._role(recorded, comment),
            pull_request=pull,
            environment=await ports.environments.get(key) if verb is None else None,
            now=ports.clock(),
            longest_ttl=self._longest_ttl,
        )
        decision = decide(command, situation)
        if verb is not None and await self._may_execute(decision, recorded):
            executed = await ports.stage_commands.execute(verb, command, decision.outcome, situation)
            decision = CommandDecision(executed)
        outcome = replace(decision.outcome, ignored=parsed.more)
        if outcome.verb is Verb.HELP:
            outcome = replace(outcome, stages=await ports.stage_commands.names(recorded.repository))
        return replace(decision, outcome=outcome)

    async def _hint(self, recorded: RecordedCommand, mistake: Misuse | UnknownCommand) -> Outcome:
        stages = await self._ports.stage_commands.names(recorded.repository)
        if isinstance(mistake, Misuse):
            typed, problem, stage = mistake.typed, mistake.problem, mistake.stage
            return Outcome(
                Result.MISUSED, mistake.verb, typed=typed, problem=problem, stage=stage, stages=stages
            )
        return Outcome(
            Result.UNKNOWN,
            typed=mistake.typed,
            nearest=mistake.nearest,
            corrected=mistake.corrected,
            stages=stages,
        )

    async def _may_execute(self, decision: CommandDecision, recorded: RecordedCommand) -> bool:
        """A command that was executed before a crash was allowed then, whatever has changed since."""
        if decision.outcome.result is Result.ACCEPTED:
            return True
        return await self._ports.stage_commands.carried_out(recorded)

    async def _role(self, recorded: RecordedCommand, comment: PostedComment) -> Role:
        """Fails closed."""
        collaborators, page = self._ports.collaborators, recorded.page
        try:
            if page is not None:
                return await collaborators.role_of(recorded.repository, page.by)
            return await collaborators.role(recorded.repository, comment.author)
        except Rejected as error:
            log.warning("role unreadable", login=comment.author, reason=str(error))
            return Role.NONE

    async def _acknowledge(self, recorded: RecordedCommand) -> None:
        """The reaction is idempotent, so it needs no fence beyond the claim."""

        async def fence() -> None:
            return

        try:
            await self._ports.comments.acknowledge(recorded.repository, recorded.comment_id, fence)
        except Rejected as error:  # a locked conversation takes no reactions; the command is executed
            log.warning("reaction rejected", reason=str(error))

    async def _answer(self, claim: Claim, recorded: RecordedCommand, outcome: Outcome) -> None:
        commands = self._ports.commands

        async def fence() -> None:
            await commands.check(claim)

        async def save(answer: str) -> None:
            await commands.answered(claim, recorded, answer)

        try:
            status = await self._ports.status_query.answer(recorded, outcome)
            await self._ports.comments.answer(recorded, outcome, status, fence, save)
        except Rejected as error:
            log.warning("answer rejected", reason=str(error))
