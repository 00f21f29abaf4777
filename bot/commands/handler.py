"""Carries out one command, from reading its comment to the answer. Safe to die at any point."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from bot.commands.decision import Decided, Situation, decide
from bot.commands.grammar import Mistake, Spoken, digest, parse
from bot.commands.outcome import Outcome, Result
from bot.commands.ports import Commands, Environments, GitHub
from bot.commands.stage_commands import StageCommands
from bot.commands.status_query import StatusQuery
from bot.commands.table import STAGING
from bot.environments.ports import Clock
from bot.model.command import PostedComment, RecordedCommand
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.role import Role
from bot.model.work import Claim

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Peers:
    commands: Commands
    environments: Environments
    github: GitHub
    staging: StageCommands
    telling: StatusQuery
    clock: Clock


class Handler:
    """The handler of `command:` work."""

    def __init__(self, peers: Peers, longest_ttl: timedelta) -> None:
        self._peers = peers
        self._longest_ttl = longest_ttl

    async def __call__(self, claim: Claim) -> None:
        found = await self._peers.commands.get(int(claim.key.subject))
        if found is None or found[0].finished:
            return
        heard, outcome = found
        structlog.contextvars.bind_contextvars(
            comment=heard.comment_id, repository=heard.repository.full_name
        )
        if outcome is None:
            outcome = await self._carry_out(claim, heard)
        if outcome is not None and outcome.result is not Result.BEGUN:
            await self._answer(claim, heard, outcome)
        await self._peers.commands.finish(claim, heard)

    async def _carry_out(self, claim: Claim, heard: RecordedCommand) -> Outcome | None:
        """None when there is nobody to answer to."""
        github = self._peers.github
        posted = await github.comment(heard.repository, heard.comment_id)
        if posted is None or posted.by_bot or posted.number != heard.number:
            return None
        await self._acknowledge(claim, heard)
        decided = await self._decide(heard, posted)
        if decided is None:
            return None
        log.info("a command", by=posted.author, command=decided.outcome.verb, result=decided.outcome.result)
        return await self._peers.commands.decide(
            claim, heard, decided.outcome, decided.change, by=posted.author
        )

    async def _decide(self, heard: RecordedCommand, posted: PostedComment) -> Decided | None:
        spoken = parse(posted.body)
        if spoken is None or digest(posted.body) != heard.digest:
            return Decided(Outcome(Result.EDITED))
        if isinstance(spoken.first, Mistake):
            mistake = Outcome(Result.MISTYPED, typed=spoken.first.typed, nearest=spoken.first.nearest)
            return Decided(mistake)
        pull = await self._peers.github.pull_request(heard.repository, heard.number)
        if pull is None:
            return None
        situation = Situation(
            heard=heard,
            posted=posted,
            role=await self._role(heard, posted),
            pull=pull,
            environment=await self._peers.environments.get(
                EnvironmentKey.preview(heard.repository.id, heard.number)
            ),
            now=self._peers.clock(),
            longest_ttl=self._longest_ttl,
        )
        decided = decide(spoken.first, situation)
        if spoken.first.verb in STAGING and await self._may_go_on(decided, heard):
            decided = Decided(await self._peers.staging.carry_out(spoken.first, decided.outcome, situation))
        return _with_more(decided, spoken)

    async def _may_go_on(self, decided: Decided, heard: RecordedCommand) -> bool:
        """What was carried out before a kill was allowed then, whatever changed since."""
        return decided.outcome.result is Result.ASKED or await self._peers.staging.carried_out(heard)

    async def _role(self, heard: RecordedCommand, posted: PostedComment) -> Role:
        """Rights that cannot be read are none."""
        try:
            return await self._peers.github.role(heard.repository, posted.author)
        except Rejected as error:
            log.warning("somebody's rights cannot be read", login=posted.author, reason=str(error))
            return Role.NONE

    async def _acknowledge(self, claim: Claim, heard: RecordedCommand) -> None:
        async def fence() -> None:
            await self._peers.commands.check(claim)

        try:
            await self._peers.github.acknowledge(heard.repository, heard.comment_id, fence)
        except Rejected as error:  # a locked conversation takes no reactions; the command is carried out
            log.warning("a comment takes no reaction", reason=str(error))

    async def _answer(self, claim: Claim, heard: RecordedCommand, outcome: Outcome) -> None:
        commands = self._peers.commands

        async def fence() -> None:
            await commands.check(claim)

        async def save(answer: str) -> None:
            await commands.answered(claim, heard, answer)

        try:
            account = await self._peers.telling.account(heard, outcome)
            await self._peers.github.answer(heard, outcome, account, fence, save)
        except Rejected as error:
            log.warning("a command cannot be answered", reason=str(error))


def _with_more(decided: Decided, spoken: Spoken) -> Decided:
    return replace(decided, outcome=replace(decided.outcome, more=spoken.more))
