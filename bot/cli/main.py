"""The `greenroom` command, assembled from one module per command group.

Commands import what they need when they run: `--help` is fast, and `serve` never imports `bot.embedded`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli import (
    doctor,
    drift,
    embedded,
    environment_export,
    environment_requests,
    environments,
    infrastructure,
    init,
    parity,
    promotions,
    releases,
    render,
    rights,
    schema,
    serve,
    setup,
    stages,
    store,
)
from bot.cli.groups import Commands

app = Commands(
    name="greenroom",
    help="Preview environments on Kubernetes for pull requests, and promotion of releases through stages.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    *(serve.serve, serve.migrate, doctor.doctor, serve.version),
    *(*promotions.COMMANDS, releases.audit, parity.parity, drift.drift),
    *(setup.setup, init.init, render.render, schema.schema, rights.rights, embedded.demo),
):
    app.command()(command)
app.command("why")(environments.explain)
app.command()(environments.logs)
for request in environment_requests.COMMANDS:
    environments.commands.command()(request)
environments.commands.command()(environment_export.export)
environments.commands.command()(environment_export.diff)
environments.commands.command("approve-plan")(infrastructure.approve_plan)
environments.commands.command()(infrastructure.abandon)
app.add_typer(environments.commands, name="env")
app.add_typer(stages.commands, name="stage")
app.add_typer(releases.commands, name="release")
app.add_typer(store.commands, name="store")
app.add_typer(embedded.commands, name="embedded")


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=serve.print_version),
    ] = False,
) -> None:
    """Options of all commands."""


def main() -> None:
    app()


if __name__ == "__main__":
    main()
