"""What the commands share: the settings, the store, GitHub, JSON, and giving up with a sentence."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from bot.github.app import GitHubApp
    from bot.model.repository import Repository
    from bot.settings import Settings
    from bot.store import Store

T = TypeVar("T")


def settings(log_level: str | None = None) -> Settings:
    """The settings, with logging set up by them; without usable ones the command ends here."""
    import os

    from bot.logging import set_up_logging
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
    """For what the user can put right, in words that may be hostile. An empty sentence is none."""
    from bot.cli.terminal import plain

    print(*filter(None, map(plain, sentences)), sep="\n", file=sys.stderr)
    raise typer.Exit(code)


def with_store(read: Settings, ask: Callable[[Store], Awaitable[T]]) -> T:
    """What was asked; ends with what is wrong where the database or another peer does not answer."""
    import asyncio

    from bot.model.errors import GreenroomError, StoreUnavailable
    from bot.store import Store, StoreUnusable

    async def run() -> T:
        store = await Store.open(read.database_url.get_secret_value(), create=False)
        try:
            await store.ping()
            return await ask(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (StoreUnusable, StoreUnavailable) as error:
        give_up(
            f"The database cannot be asked: {error}",
            "GREENROOM_DATABASE_URL has to be the one that `greenroom serve` has, which makes its tables.",
        )
    except GreenroomError as error:
        give_up(str(error), getattr(error, "detail", ""))


async def repository_called(store: Store, name: str, code: int = 1) -> Repository:
    """By its name as the bot knows it; ends with the code when it knows none."""
    known = [each.repository for each in await store.environments.find()]
    known += [each.repository for each in await store.promotions.stages()]
    found = {each.id: each for each in known if each.full_name.lower() == name.lower()}
    if len(found) != 1:
        give_up(f"There is no repository {name} of which the bot has seen a pull request.", code=code)
    return next(iter(found.values()))


def github_app(read: Settings) -> GitHubApp:
    from bot.github.app import GitHubApp

    return GitHubApp(
        api_url=read.github_api_url,
        app_id=read.github_app_id,
        private_key=read.github_private_key.get_secret_value(),
        public_url=read.public_url,
        ca_file=read.github_ca_file,
    )


def print_json(value: object) -> None:
    import msgspec

    told = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    print(_UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", told))


_UNPRINTED = re.compile(r"[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""What JSON leaves as it is, and a terminal would obey or a reader could not see."""
