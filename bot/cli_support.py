"""What the commands share: the settings, the store, JSON, and giving up with a sentence."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from bot.settings import Settings
    from bot.store import Store

T = TypeVar("T")


def settings(log_level: str | None = None) -> Settings:
    """The settings, with logging set up by them; without usable ones the command ends here."""
    import os

    from bot.logs import set_up_logging
    from bot.secrets.environment import EnvironmentSecrets
    from bot.settings import SettingsError, read_settings

    try:
        read = read_settings()
    except SettingsError as error:
        give_up(*error.problems, "docs/settings.md explains all of them; `greenroom doctor` tries them out.")
    injected = EnvironmentSecrets(os.environ).values
    set_up_logging(log_level or read.log_level, (*read.hidden_values, *injected))
    return read


def give_up(*sentences: str, code: int = 2) -> NoReturn:
    """For what the user can put right. An empty sentence is none."""
    print(*filter(None, sentences), sep="\n", file=sys.stderr)
    raise typer.Exit(code)


def with_store(read: Settings, ask: Callable[[Store], Awaitable[T]]) -> T:
    import asyncio

    from bot.model.errors import GreenroomError
    from bot.store import Store

    async def run() -> T:
        store = await Store.open(read.database_url.get_secret_value(), create=False)
        try:
            await store.ping()
            return await ask(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except GreenroomError as error:
        give_up(
            f"The database cannot be asked: {error}",
            "GREENROOM_DATABASE_URL has to be the one that `greenroom serve` has, which makes its tables.",
        )


def print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
