"""Commands from delivery to answer: each comment once, however often it is delivered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, or_, select, update

from bot.commands.outcome import Outcome, Result
from bot.commands.table import PREVIEW_STATE_VERBS
from bot.environments.ports import Clock
from bot.model.command import PageCommand, RecordedCommand
from bot.model.delivery import CommandPosted, PullRequestHint
from bot.model.environment import Decision, EnvironmentKey, UserOverrides
from bot.model.person import Person
from bot.model.repository import Repository
from bot.model.work import Claim, WorkKey
from bot.store.database import Database, insert
from bot.store.environments import update_overrides
from bot.store.hints import apply_hints
from bot.store.journal import append_decisions
from bot.store.records import decoder, encode
from bot.store.tables import commands, environments
from bot.store.work_rows import enqueue, require_claim

Change = Callable[[UserOverrides], UserOverrides]

_read_outcome = decoder(Outcome)


@dataclass(frozen=True, slots=True)
class ClaimedCommand:
    """A command as of its claim."""

    stored: tuple[RecordedCommand, Outcome | None] | None


class SqlCommandStore:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, comment_id: int) -> tuple[RecordedCommand, Outcome | None] | None:
        return await self._database.run(lambda connection: _read_command(connection, comment_id))

    async def claimed(self, claim: Claim) -> tuple[RecordedCommand, Outcome | None] | None:
        """The claim's command, as read in the transaction of the claim."""
        record = claim.record
        if not isinstance(record, ClaimedCommand):
            return await self.get(int(claim.key.subject))
        return record.stored

    def read_claimed(self, connection: Connection, comment_id: str) -> ClaimedCommand:
        """Within the transaction of the claim."""
        return ClaimedCommand(_read_command(connection, int(comment_id)))

    async def post(self, command: RecordedCommand) -> None:
        """Records a command from a page, once, and enqueues its key."""
        page = command.page
        assert page is not None, "a command from a page"
        row = {
            "comment_id": command.comment_id,
            **_place(command.repository, command.number),
            "digest": command.digest,
            "head": command.head,
            "head_since": command.head_since,
            "received_at": command.received_at,
            "finished": False,
            "by_id": page.by.id,
            "by_login": page.by.login,
            "text": page.text,
            "shown_at": page.shown_at,
        }

        def write(connection: Connection) -> None:
            statement = insert(connection, commands).on_conflict_do_nothing().returning(commands.c.comment_id)
            if connection.execute(statement, row).one_or_none() is not None:
                enqueue(connection, [WorkKey.command(command.comment_id)], command.received_at)

        await self._database.run(write)

    async def check(self, claim: Claim) -> None:
        await self._database.run(lambda connection: require_claim(connection, claim))

    async def decide(
        self,
        claim: Claim,
        command: RecordedCommand,
        outcome: Outcome,
        change: Change | None,
        by: str,
        refusal_note: Callable[[Outcome], str],
    ) -> Outcome:
        now = self._clock()
        key = EnvironmentKey.preview(command.repository.id, command.number)

        def settle(connection: Connection) -> Outcome:
            decided = outcome
            # Serializes decisions about one environment.
            connection.execute(
                select(environments.c.key).where(environments.c.key == str(key)).with_for_update()
            )
            if change is not None and _overtaken(connection, command, outcome):
                decided = replace(outcome, result=Result.OVERTAKEN)
            elif change is not None:
                update_overrides(connection, key, change, f"`{outcome.verb}`", by, now)
            if note := refusal_note(decided):
                append_decisions(connection, [Decision(key, now, "refused", note, by)])
            values = {"outcome": encode(decided), "finished": decided.result is Result.STARTED}
            connection.execute(update(commands).where(_is(command)).values(values))
            require_claim(connection, claim)
            return decided

        if change is None and outcome.result is Result.STARTED:
            claim.last_writes.append(settle)
            return outcome
        return await self._database.run(settle)

    async def answered(self, claim: Claim, command: RecordedCommand, answer: str) -> None:
        await self._database.run(_update(claim, command, {"answer": answer}))

    async def finish(self, claim: Claim, command: RecordedCommand) -> None:
        claim.last_writes.append(_update(claim, command, {"finished": True}))

    async def purge(self, before: datetime) -> int:
        """Deletes finished commands received before; GitHub redelivers nothing that old."""
        statement = delete(commands).where(commands.c.finished, commands.c.received_at < before)
        return await self._database.run(lambda connection: connection.execute(statement).rowcount)


def _update(
    claim: Claim, command: RecordedCommand, values: Mapping[str, object]
) -> Callable[[Connection], None]:
    def write(connection: Connection) -> None:
        connection.execute(update(commands).where(_is(command)).values(values))
        require_claim(connection, claim)

    return write


def _read_command(connection: Connection, comment_id: int) -> tuple[RecordedCommand, Outcome | None] | None:
    row = connection.execute(select(commands).where(commands.c.comment_id == comment_id)).one_or_none()
    return (_command(row), _read_outcome(row.outcome) if row.outcome else None) if row else None


def insert_commands(connection: Connection, comments: Sequence[CommandPosted], now: datetime) -> None:
    """Within a transaction, after its hints: stores each command with the pull request's head."""
    for comment in sorted(comments, key=lambda comment: comment.id):
        key = EnvironmentKey.preview(comment.repository.id, comment.number)
        head = connection.execute(
            select(environments.c.hinted_head, environments.c.head_since).where(
                environments.c.key == str(key)
            )
        ).one_or_none()
        if head is None:
            apply_hints(connection, [PullRequestHint(comment.repository, comment.number, None, None)], now)
        row = _row(comment, now) | ({"head": head[0], "head_since": head[1]} if head else {})
        statement = insert(connection, commands).on_conflict_do_nothing().returning(commands.c.comment_id)
        if connection.execute(statement, row).one_or_none() is not None:
            enqueue(connection, [WorkKey.command(comment.id)], now)


def _row(comment: CommandPosted, now: datetime) -> dict[str, Any]:
    return {
        "comment_id": comment.id,
        **_place(comment.repository, comment.number),
        "digest": comment.digest,
        "received_at": now,
        "finished": False,
    }


def _place(repository: Repository, number: int) -> dict[str, Any]:
    return {
        "repository_id": repository.id,
        "installation_id": repository.installation_id,
        "owner": repository.owner,
        "repository": repository.name,
        "number": number,
    }


def _command(row: Row[Any]) -> RecordedCommand:
    return RecordedCommand(
        repository=Repository(row.repository_id, row.installation_id, row.owner, row.repository),
        number=row.number,
        comment_id=row.comment_id,
        digest=row.digest,
        received_at=row.received_at,
        head=row.head,
        head_since=row.head_since,
        answer=row.answer,
        finished=row.finished,
        page=PageCommand(Person(row.by_id, row.by_login), row.text, row.shown_at) if row.text else None,
    )


def _is(command: RecordedCommand) -> ColumnElement[bool]:
    return commands.c.comment_id == command.comment_id


def _is_later(command: RecordedCommand) -> ColumnElement[bool]:
    """Comments are ordered by their ids, commands from pages by the time at which they arrived."""
    arrived_later = commands.c.received_at > command.received_at
    if command.page is not None:
        return arrived_later
    of_comment = commands.c.comment_id > 0
    return or_(and_(of_comment, commands.c.comment_id > command.comment_id), and_(~of_comment, arrived_later))


def _overtaken(connection: Connection, command: RecordedCommand, outcome: Outcome) -> bool:
    """Whether a later comment's command has already decided where the preview runs."""
    if outcome.verb not in PREVIEW_STATE_VERBS:
        return False
    later = select(commands.c.outcome).where(
        commands.c.repository_id == command.repository.id,
        commands.c.number == command.number,
        _is_later(command),
        commands.c.outcome.is_not(None),
    )
    outcomes = [_read_outcome(text) for text in connection.scalars(later)]
    return any(
        outcome.result is Result.ACCEPTED and outcome.verb in PREVIEW_STATE_VERBS for outcome in outcomes
    )
