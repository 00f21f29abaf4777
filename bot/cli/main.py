"""The `greenroom` command. Each command imports what it needs when it runs, so that help is quick and `serve`
never sees the embedded world."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.context import give_up
from bot.cli.context import settings as read_settings
from bot.cli.embedded import commands as embedded
from bot.cli.environments import commands as environments
from bot.cli.environments import why
from bot.cli.parity import parity
from bot.cli.render import render
from bot.cli.stages import abort, approve, audit, pause, promote, reject, releases, resume, rollback, stages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.doctor import Finding

app = typer.Typer(
    name="greenroom",
    help="A seeded environment on Kubernetes for every pull request.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(environments, name="env")
app.command()(why)
for order in (promote, rollback, approve, reject, abort, pause, resume, audit, parity):
    app.command()(order)
app.add_typer(stages, name="stage")
app.add_typer(releases, name="release")
app.add_typer(embedded, name="embedded")
app.command()(render)


def main() -> None:
    app()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for a free one.", min=0, max=65535)] = 8000,
) -> None:
    """Receive webhooks and keep the environments as they should be, until SIGTERM."""
    settings = read_settings()
    from bot.server import listen, run

    try:
        listener = listen(host, port)
    except OSError as error:
        give_up(f"Cannot listen on {host}, port {port}: {error.strerror}.")

    from bot.app import App
    from bot.model.errors import GreenroomError

    with listener:
        try:
            run(App(settings), listener)
        except GreenroomError as error:
            give_up(str(error))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Try out everything that the bot needs, and say what to do where it fails."""
    from bot.doctor import State, run_all_checks
    from bot.logging import set_up_logging

    set_up_logging("error")
    findings = run_all_checks()
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    raise typer.Exit(1 if any(finding.state is State.FAILED for finding in findings) else 0)


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables. `serve` does it too."""
    settings = read_settings()
    import asyncio

    from bot.model.errors import GreenroomError
    from bot.store import Store

    async def bring() -> None:
        store = await Store.open(settings.database_url.get_secret_value())
        try:
            await store.migrate()
        finally:
            await store.close()

    try:
        asyncio.run(bring())
    except GreenroomError as error:
        give_up(str(error))
    typer.echo("The database is up to date.")


@app.command()
def demo() -> None:
    """Play the whole story on this machine: no cluster, no GitHub account. Stays up on a terminal."""
    import asyncio

    from rich.console import Console

    from bot.embedded.demo import DemoFailed, run

    console = Console()
    try:
        asyncio.run(run(console, stay=sys.stdin.isatty() and console.is_terminal))
    except (DemoFailed, RuntimeError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Ended.")


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(f"greenroom {installed('greenroom')}")


def _show(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    signs = {"passed": ("ok", "green"), "failed": ("failed", "bold red"), "skipped": ("skipped", "dim")}
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        sign, style = signs[finding.state]
        table.add_row(Text(sign, style), Text(finding.name, "bold"), Text(finding.message))
    Console().print(table)


if __name__ == "__main__":
    main()
