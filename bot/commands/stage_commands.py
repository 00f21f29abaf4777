"""Commands about stages: what was typed becomes what is asked of the promotions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from bot.commands.decision import Situation
from bot.commands.grammar import Command
from bot.commands.outcome import Outcome, Result
from bot.commands.table import Verb
from bot.model.command import RecordedCommand
from bot.model.promotion import Promotion
from bot.model.role import Role
from bot.promotions.refusals import Refusal
from bot.promotions.service import PromotionService, Requester

_MAY_TAKE = (Role.MAINTAIN, Role.ADMIN)
"""Who may lift somebody else's lock."""

_REASONED = (Verb.REJECT, Verb.ABORT)
"""What may be followed by a reason alone."""


class Done(NamedTuple):
    """What became of it, and of which stage."""

    result: Result
    stage: str
    until: datetime | None = None


Order = Callable[[Requester, Command, Situation], Awaitable[Done]]


@dataclass(frozen=True, slots=True)
class StageCommands:
    service: PromotionService

    async def execute(self, command: Command, said: Outcome, at: Situation) -> Outcome:
        """Rights and head are seen to. The same comment a second time asks for nothing new."""
        requester = Requester(
            at.command.repository,
            at.comment.author,
            _token(at.command),
            at.command.number,
            at.pull_request.head_sha,
        )
        orders: Mapping[Verb, Order] = {
            Verb.PROMOTE: self._promote,
            Verb.ROLLBACK: self._rollback,
            Verb.LOCK: self._lock,
            Verb.UNLOCK: self._unlock,
            Verb.HOLD: self._hold,
            Verb.UNHOLD: self._unhold,
        }
        try:
            done = await orders.get(command.verb, self._decide)(requester, command, at)
        except Refusal as refusal:
            return replace(said, result=Result.REFUSED, reason=self.service.describe(refusal.reason))
        return replace(said, **done._asdict())

    async def carried_out(self, command: RecordedCommand) -> bool:
        """Whether the comment was carried out already, by whoever was killed before it could say so."""
        promotions = self.service.promotions
        return await promotions.carried_out(command.repository.id, _token(command)) is not None

    async def _promote(self, requester: Requester, command: Command, _: Situation) -> Done:
        stage, *release = command.words
        promotion = await self.service.promote(requester, stage, release[0] if release else None)
        return Done(Result.STARTED, promotion.stage.name)

    async def _rollback(self, requester: Requester, command: Command, at: Situation) -> Done:
        promotion = await self.service.rollback(requester, command.words[0])
        told_here = promotion.number == at.command.number
        return Done(Result.STARTED if told_here else Result.DONE, promotion.stage.name)

    async def _decide(self, requester: Requester, command: Command, _: Situation) -> Done:
        """About the promotion that is under way here, or on the stage that is named first."""
        names = await self.service.lookup(requester.repository)
        stage, why = names.parse_target(command.words, reasoned=command.verb in _REASONED)
        service = self.service
        orders: Mapping[Verb, Callable[[], Awaitable[Promotion]]] = {
            Verb.APPROVE: lambda: service.approve(requester, stage),
            Verb.REJECT: lambda: service.reject(requester, stage, why),
            Verb.ABORT: lambda: service.abort(requester, stage, why),
            Verb.PAUSE: lambda: service.pause(requester, stage),
            Verb.RESUME: lambda: service.resume(requester, stage),
        }
        promotion = await orders[command.verb]()
        return Done(Result.DONE, promotion.stage.name)

    async def _lock(self, requester: Requester, command: Command, _: Situation) -> Done:
        stage, *why = command.words
        record = await self.service.lock(requester, stage, command.duration, " ".join(why))
        return Done(Result.DONE, stage, record.lock.until if record.lock is not None else None)

    async def _unlock(self, requester: Requester, command: Command, at: Situation) -> Done:
        [stage] = command.words
        await self.service.unlock(requester, stage, may_take=at.role in _MAY_TAKE)
        return Done(Result.DONE, stage)

    async def _hold(self, requester: Requester, command: Command, _: Situation) -> Done:
        stage, *why = command.words
        await self.service.hold(requester, stage, " ".join(why))
        return Done(Result.DONE, stage)

    async def _unhold(self, requester: Requester, command: Command, _: Situation) -> Done:
        [stage] = command.words
        await self.service.unhold(requester, stage)
        return Done(Result.DONE, stage)


def _token(command: RecordedCommand) -> str:
    return f"comment/{command.comment_id}"
