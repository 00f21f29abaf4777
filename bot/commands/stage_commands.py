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
from bot.promotions.service import PromotionService, Requester
from bot.promotions.stage_aggregate import Refusal

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
    asking: PromotionService

    async def carry_out(self, command: Command, said: Outcome, at: Situation) -> Outcome:
        """Rights and head are seen to. The same comment a second time asks for nothing new."""
        asker = Requester(
            at.heard.repository, at.posted.author, _token(at.heard), at.heard.number, at.pull.head_sha
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
            done = await orders.get(command.verb, self._decide)(asker, command, at)
        except Refusal as refusal:
            return replace(said, result=Result.REFUSED, why=str(refusal))
        return replace(said, **done._asdict())

    async def carried_out(self, heard: RecordedCommand) -> bool:
        """Whether the comment was carried out already, by whoever was killed before it could say so."""
        promotions = self.asking.promotions
        return await promotions.carried_out(heard.repository.id, _token(heard)) is not None

    async def _promote(self, asker: Requester, command: Command, _: Situation) -> Done:
        stage, *release = command.words
        promotion = await self.asking.promote(asker, stage, release[0] if release else None)
        return Done(Result.BEGUN, promotion.stage.name)

    async def _rollback(self, asker: Requester, command: Command, at: Situation) -> Done:
        promotion = await self.asking.rollback(asker, command.words[0])
        told_here = promotion.number == at.heard.number
        return Done(Result.BEGUN if told_here else Result.DONE, promotion.stage.name)

    async def _decide(self, asker: Requester, command: Command, _: Situation) -> Done:
        """About the promotion that is under way here, or on the stage that is named first."""
        names = await self.asking.lookup(asker.repository)
        stage, why = names.meant(command.words, reasoned=command.verb in _REASONED)
        asking = self.asking
        orders: Mapping[Verb, Callable[[], Awaitable[Promotion]]] = {
            Verb.APPROVE: lambda: asking.approve(asker, stage),
            Verb.REJECT: lambda: asking.reject(asker, stage, why),
            Verb.ABORT: lambda: asking.abort(asker, stage, why),
            Verb.PAUSE: lambda: asking.pause(asker, stage),
            Verb.RESUME: lambda: asking.resume(asker, stage),
        }
        promotion = await orders[command.verb]()
        return Done(Result.DONE, promotion.stage.name)

    async def _lock(self, asker: Requester, command: Command, _: Situation) -> Done:
        stage, *why = command.words
        record = await self.asking.lock(asker, stage, command.duration, " ".join(why))
        return Done(Result.DONE, stage, record.lock.until if record.lock is not None else None)

    async def _unlock(self, asker: Requester, command: Command, at: Situation) -> Done:
        [stage] = command.words
        await self.asking.unlock(asker, stage, may_take=at.role in _MAY_TAKE)
        return Done(Result.DONE, stage)

    async def _hold(self, asker: Requester, command: Command, _: Situation) -> Done:
        stage, *why = command.words
        await self.asking.hold(asker, stage, " ".join(why))
        return Done(Result.DONE, stage)

    async def _unhold(self, asker: Requester, command: Command, _: Situation) -> Done:
        [stage] = command.words
        await self.asking.unhold(asker, stage)
        return Done(Result.DONE, stage)


def _token(heard: RecordedCommand) -> str:
    return f"comment/{heard.comment_id}"
