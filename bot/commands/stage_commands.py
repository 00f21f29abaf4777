"""Executes commands about stages through the PromotionService."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from bot.commands.decision import Situation
from bot.commands.grammar import Command
from bot.commands.outcome import Outcome, Result
from bot.commands.table import COMMANDS, Argument, StageVerb, Verb
from bot.model.command import RecordedCommand
from bot.model.repository import Repository
from bot.model.role import Role
from bot.promotions.refusals import Refusal
from bot.promotions.service import PromotionService, Requester

_MAY_TAKE = (Role.MAINTAIN, Role.ADMIN)
"""Roles that may lift another user's lock, and skip an analysis."""


@dataclass(frozen=True, slots=True)
class StageCommands:
    service: PromotionService

    async def execute(
        self, verb: StageVerb, command: Command, accepted: Outcome, situation: Situation
    ) -> Outcome:
        """Rights and head are checked before. Idempotent for each comment."""
        recorded, author = situation.recorded, situation.comment.author
        head = situation.pull_request.head_sha
        requester = Requester(recorded.repository, author, recorded.token, recorded.number, head)
        try:
            return await self._execute(verb, command, accepted, situation, requester)
        except Refusal as refusal:
            text = self.service.describe(refusal.reason)
            return replace(accepted, result=Result.REFUSED, reason=text)

    async def names(self, repository: Repository) -> tuple[str, ...]:
        """The configured stages and demos; none while they cannot be read."""
        return tuple(key.name for key in (await self.service.lookup(repository)).keys)

    async def carried_out(self, recorded: RecordedCommand) -> bool:
        """Whether the command was executed before a crash."""
        promotions = self.service.promotions
        return await promotions.carried_out(recorded.repository.id, recorded.token) is not None

    async def _execute(  # noqa: C901  # one case per verb
        self,
        verb: StageVerb,
        command: Command,
        accepted: Outcome,
        situation: Situation,
        requester: Requester,
    ) -> Outcome:
        service = self.service
        done, name = replace(accepted, result=Result.DONE), " ".join(command.words[:1])
        reason = " ".join(command.words[1:])
        match verb:
            case Verb.PROMOTE if command.now:
                promotion = await service.skip_analysis(requester, name, may_skip=situation.role in _MAY_TAKE)
                return replace(done, result=Result.SKIPPED, stage=promotion.stage.name)
            case Verb.PROMOTE | Verb.REPLACE:
                promotion = await service.promote(
                    requester,
                    name,
                    reason or None,
                    replaces_objects=verb is Verb.REPLACE,
                    moves=command.moves,
                )
                return replace(accepted, result=Result.STARTED, stage=promotion.stage.name)
            case Verb.ROLLBACK:
                promotion = await service.rollback(requester, name)
                own = promotion.number == requester.number
                result = Result.STARTED if own else Result.DONE
                return replace(accepted, result=result, stage=promotion.stage.name)
            case Verb.VOUCH:
                commit = name or situation.pull_request.head_sha
                await service.vouch(requester, commit)
                return replace(done, head=commit)
            case Verb.LOCK:
                record = await service.lock(requester, name, command.duration, reason)
                lock = record.lock
                assert lock is not None, "it was locked"
                return replace(done, stage=name, until=lock.until, length=lock.until - lock.since)
            case Verb.UNLOCK:
                await service.unlock(requester, name, may_take=situation.role in _MAY_TAKE)
                return replace(done, stage=name)
            case Verb.HOLD:
                await service.hold(requester, name, reason)
                return replace(done, stage=name)
            case Verb.UNHOLD:
                await service.unhold(requester, name)
                return replace(done, stage=name)
            case Verb.APPROVE:
                lookup = await service.lookup(requester.repository)
                stage, release = lookup.parse_approval(command.words)
                promotion = await service.approve(requester, stage, _written_at(situation), release)
                return replace(done, stage=promotion.stage.name, release=promotion.release)
            case Verb.REJECT | Verb.PAUSE | Verb.RESUME | Verb.ABORT:
                lookup = await service.lookup(requester.repository)
                reasoned = Argument.REASON in COMMANDS[verb].arguments
                stage, reason = lookup.parse_target(command.words, reasoned=reasoned)
                match verb:
                    case Verb.REJECT:
                        promotion = await service.reject(requester, stage, reason)
                    case Verb.PAUSE:
                        promotion = await service.pause(requester, stage)
                    case Verb.RESUME:
                        promotion = await service.resume(requester, stage)
                    case Verb.ABORT:
                        promotion = await service.abort(requester, stage, reason)
                    case _:
                        assert_never(verb)
                return replace(done, stage=promotion.stage.name)
        assert_never(verb)


def _written_at(situation: Situation) -> datetime:
    """The earliest time at which the comment can have been written: GitHub leaves out parts of a second."""
    return min(situation.recorded.received_at, situation.comment.created_at)
