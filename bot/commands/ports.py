"""Protocols of the clients and stores that commands use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from bot.commands.outcome import Outcome, StatusAnswer
from bot.environments.ports import Fence
from bot.model.command import PostedComment, RecordedCommand
from bot.model.environment import Decision, Environment, EnvironmentKey, UserOverrides
from bot.model.person import Person
from bot.model.repository import Repository
from bot.model.role import Role
from bot.model.work import Claim, ScheduledWork, WorkKey

Change = Callable[[UserOverrides], UserOverrides]

SaveAnswer = Callable[[str], Awaitable[None]]
"""Stores the id of the answer; "" before it is written."""


class CommentPort(Protocol):
    """Raises Unavailable when GitHub does not answer or asks for a pause, Rejected when it refuses."""

    async def comment(self, repository: Repository, comment_id: int) -> PostedComment | None:
        """None when it was deleted."""

    async def acknowledge(self, repository: Repository, comment_id: int, fence: Fence) -> None:
        """Adds the reaction `eyes` to the comment; idempotent."""

    async def answer(
        self,
        command: RecordedCommand,
        outcome: Outcome,
        account: StatusAnswer | None,
        fence: Fence,
        save: SaveAnswer,
    ) -> None:
        """Answers in a new comment, exactly once, whatever happened to an earlier attempt."""


class CommandStore(Protocol):
    async def claimed(self, claim: Claim) -> tuple[RecordedCommand, Outcome | None] | None:
        """The claim's command and its stored outcome, as read in the transaction of the claim."""

    async def check(self, claim: Claim) -> None:
        """Raises Superseded unless the claim is still held."""

    async def decide(
        self,
        claim: Claim,
        command: RecordedCommand,
        outcome: Outcome,
        change: Change | None,
        by: str,
        refusal_note: Callable[[Outcome], str],
    ) -> Outcome:
        """Stores the outcome and changes the environment in one transaction.

        A command that a later comment has overtaken changes nothing and gets the result OVERTAKEN. One with
        a refusal note is recorded as "refused". STARTED finishes the command, which has no answer, in the
        transaction that ends the claim.
        """

    async def answered(self, claim: Claim, command: RecordedCommand, answer: str) -> None: ...

    async def finish(self, claim: Claim, command: RecordedCommand) -> None:
        """Finishes the command in the transaction that ends the claim."""


class RoleReader(Protocol):
    async def role(self, repository: Repository, login: str) -> Role:
        """NONE if the user is not a collaborator."""

    async def role_of(self, repository: Repository, person: Person) -> Role:
        """The role of exactly this account: NONE if its login now belongs to another one."""


class EnvironmentReader(Protocol):
    async def get(self, key: EnvironmentKey) -> Environment | None: ...


class DecisionReader(Protocol):
    async def decisions(self, key: EnvironmentKey, limit: int = 50) -> Sequence[Decision]:
        """The newest first."""


class WorkReader(Protocol):
    async def look(self, key: WorkKey) -> ScheduledWork | None: ...

    async def enqueue(self, keys: Iterable[WorkKey]) -> None: ...
