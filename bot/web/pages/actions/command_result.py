"""The result of a command that the user ran on a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.commands.outcome import Outcome
from bot.github.messages.commands import result_text
from bot.model.command import RecordedCommand
from bot.model.person import Person


class CommandReader(Protocol):
    async def get(self, comment_id: int) -> tuple[RecordedCommand, Outcome | None] | None: ...


@dataclass(frozen=True, slots=True)
class GivenCommand:
    text: str
    result: str
    """ "" while it is being processed."""


async def given_command(
    commands: CommandReader, query: Mapping[str, str], person: Person, repository_id: int
) -> GivenCommand | None:
    """The command that the address names, if this user ran it in this repository."""
    id = query.get("command", "")
    if not (id.isascii() and id.isdigit() and len(id) < 20):
        return None
    stored = await commands.get(-int(id))
    if stored is None:
        return None
    command, outcome = stored
    page = command.page
    if page is None or page.by.id != person.id or command.repository.id != repository_id:
        return None
    if outcome is None:
        return GivenCommand(page.text, "was not executed." if command.finished else "")
    return GivenCommand(page.text, result_text(outcome) or "was executed.")
