"""What the commands share: the settings, and giving up with a sentence."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from bot.settings import Settings


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
