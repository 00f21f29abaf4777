"""`greenroom doctor`: checks the settings, the database, GitHub and the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bot.cli.common import Json, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.doctor import Finding


def doctor(as_json: Json = False) -> None:
    """Check everything that the bot needs, and explain how to fix what fails."""
    from bot.doctor import State, run_all_checks
    from bot.logging import set_up_logging

    set_up_logging("error")
    findings = run_all_checks()
    if as_json:
        print_json(findings)
    else:
        show_findings(findings)
    raise typer.Exit(1 if any(finding.state is State.FAILED for finding in findings) else 0)


def show_findings(findings: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from bot.cli.terminal import console, text

    labels = {"passed": ("ok", "green"), "failed": ("failed", "bold red"), "skipped": ("skipped", "dim")}
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        label, style = labels[finding.state]
        table.add_row(Text(label, style), Text(finding.name, "bold"), text(finding.message))
    console().print(table)
