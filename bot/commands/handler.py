"""Carries out one command, from reading its comment to the answer. Safe to die at any point."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from bot.commands.decision import Decision, Situation, decide
from bot.commands.grammar import ParsedComment, UnknownCommand, digest, parse
from bot.commands.outcome import Outcome, Result
from bot.commands.ports import CommandStore, CommentPort, EnvironmentReader
from bot.commands.stage_commands import StageCommands
from bot.commands.status_query import StatusQuery
from bot.commands.table import STAGE_VERBS
from bot.environments.ports import Clock, CollaboratorReader, PullRequestReader
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
    collaborators: CollaboratorReader
    stage_commands: StageCommands
    status_query: StatusQuery
    clock: Clock


class CommandHandler:
    """The handler of `command:` work."""

    def __init__(self, peers: CommandPorts, longest_ttl: timedelta) -> None:
        self._peers = peers
        self._longest_ttl = longest_ttl

    async def __call__(self, claim: Claim) -> None:
        found = await self._peers.commands.get(int(claim.key.subject))
        if found is None or found[0].finished:
            return
        command, outcome = found
        structlog.contextvars.bind_contextvars(
            comment=command.comment_id, repository=command.repository.full_name
        )
        if outcome is None:
            outcome = await self._carry_out(claim, command)
        if outcome is not None and outcome.result is not Result.STARTED:
            await self._answer(claim, command, outcome)
        await self._peers.commands.finish(claim, command)

    async def _carry_out(self, claim: Claim, command: RecordedCommand) -> Outcome | None:
        """None when there is nobody to answer to."""
        posted = await self._peers.comments.comment(command.repository, command.comment_id)
        if posted is None or posted.by_bot or posted.number != command.number:
            return None
        await self._acknowledge(claim, command)
        decided = await self._decide(command, posted)
        if decided is None:
            return None
        log.info("a command", by=posted.author, command=decided.outcome.verb, result=decided.outcome.result)
        return await self._peers.commands.decide(
            claim, command, decided.outcome, decided.change, by=posted.author
        )

    async def _decide(self, command: RecordedCommand, posted: PostedComment) -> Decision | None:
        spoken = parse(posted.body)
        if spoken is None or digest(posted.body) != command.digest:
            return Decision(Outcome(Result.EDITED))
        if isinstance(spoken.first, UnknownCommand):
            mistake = Outcome(Result.UNKNOWN, typed=spoken.first.typed, nearest=spoken.first.nearest)
            return Decision(mistake)
        pull = await self._peers.pull_requests.pull_request(command.repository, command.number)
        if pull is None:
            return None
        situation = Situation(
            command=command,
            comment=posted,
            role=await self._role(command, posted),
            pull_request=pull,
            environment=await self._peers.environments.get(
                EnvironmentKey.preview(command.repository.id, command.number)
            ),
            now=self._peers.clock(),
            longest_ttl=self._longest_ttl,
        )
        decided = decide(spoken.first, situation)
        if spoken.first.verb in STAGE_VERBS and await self._may_go_on(decided, command):
            decided = Decision(
                await self._peers.stage_commands.execute(spoken.first, decided.outcome, situation)
            )
        return _with_more(decided, spoken)

    async def _may_go_on(self, decided: Decision, command: RecordedCommand) -> bool:
        """What was carried out before a kill was allowed then, whatever changed since."""
        return decided.outcome.result is Result.ACCEPTED or await self._peers.stage_commands.carried_out(
            command
        )

    async def _role(self, command: RecordedCommand, posted: PostedComment) -> Role:
        """Rights that cannot be read are none."""
        try:
            return await self._peers.collaborators.role(command.repository, posted.author)
        except Rejected as error:
            log.warning("somebody's rights cannot be read", login=posted.author, reason=str(error))
            return Role.NONE

    async def _acknowledge(self, claim: Claim, command: RecordedCommand) -> None:
        async def fence() -> None:
            await self._peers.commands.check(claim)

        try:
            await self._peers.comments.acknowledge(command.repository, command.comment_id, fence)
        except Rejected as error:  # a locked conversation takes no reactions; the command is carried out
            log.warning("a comment takes no reaction", reason=str(error))

    async def _answer(self, claim: Claim, command: RecordedCommand, outcome: Outcome) -> None:
        commands = self._peers.commands

        async def fence() -> None:
            await commands.check(claim)

        async def save(answer: str) -> None:
            await commands.answered(claim, command, answer)

        try:
            account = await self._peers.status_query.answer(command, outcome)
            await self._peers.comments.answer(command, outcome, account, fence, save)
        except Rejected as error:
            log.warning("a command cannot be answered", reason=str(error))


def _with_more(decided: Decision, spoken: ParsedComment) -> Decision:
    return replace(decided, outcome=replace(decided.outcome, ignored=spoken.more))
