"""`greenroom serve`, `migrate` and `version`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import Json, fail, load_settings, print_result

if TYPE_CHECKING:
    import socket


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", help="Port to listen on; 0 for a free one.", min=0, max=65535)
    ] = 8000,
) -> None:
    """Receive webhooks and reconcile environments until SIGTERM."""
    settings = load_settings()
    import os

    import structlog

    from bot.server import run
    from bot.settings import unknown_variables

    for problem in unknown_variables(os.environ):
        structlog.get_logger().warning("unknown setting", problem=problem)
    listener = _listen(host, port)
    waker = _listen(host, settings.waker_port) if settings.waker_port is not None else None

    from bot.app import App
    from bot.model.errors import GreenroomError

    with listener:
        try:
            run(App(settings), listener, waker)
        except GreenroomError as error:
            fail(str(error))


def _listen(host: str, port: int) -> socket.socket:
    from bot.server import listen

    try:
        return listen(host, port)
    except OSError as error:
        fail(f"Cannot listen on {host}, port {port}: {error.strerror}.")


def migrate(as_json: Json = False) -> None:
    """Create or update the tables of the database. `serve` does this at its start, too."""
    settings = load_settings()
    import asyncio

    from bot.model.errors import GreenroomError
    from bot.store import Store

    async def run() -> None:
        store = await Store.open(settings.database_url.get_secret_value())
        try:
            await store.migrate()
        finally:
            await store.close()

    try:
        asyncio.run(run())
    except GreenroomError as error:
        fail(str(error))
    print_result({"migrated": True}, "The database is up to date.", as_json)


def print_version(asked: bool) -> None:
    if asked:
        version(as_json=False)
        raise typer.Exit


def version(as_json: Json = False) -> None:
    """Print the version."""
    from importlib.metadata import version as installed_version

    installed = installed_version("greenroom")
    print_result({"version": installed}, f"greenroom {installed}", as_json)
