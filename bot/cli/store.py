"""`greenroom store copy`."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

from bot.cli.common import Json, fail, load_settings, print_result
from bot.cli.groups import Commands

commands = Commands(help="Copy the store.")


@commands.callback()
def store() -> None:
    """Copy the store."""


@commands.command("copy")
def copy_store(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="URL of the store to copy, such as sqlite:///backup.db, or postgresql://USER@HOST/NAME "
            "with the password in PGPASSWORD.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Copy another store with its history into the empty database of the settings."""
    if urlsplit(source).password:
        fail("Every user of the machine can see arguments. Leave the password out, and set PGPASSWORD.")
    settings = load_settings("error")
    import asyncio

    from bot.model.errors import GreenroomError
    from bot.store.transfer import copy

    try:
        count = asyncio.run(copy(source, settings.database_url.get_secret_value()))
    except GreenroomError as error:
        fail(str(error))
    print_result({"rows": count}, f"Copied {count} rows.", as_json)
