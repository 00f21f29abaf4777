"""Drift of stages on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from bot.cli.terminal import console, table, text
from bot.github.messages.drift import attribution, diff, resources_text, summary, unreadable_text
from bot.model.drift import DriftRecord, DriftState
from bot.model.environment import EnvironmentKey
from bot.model.times import format_timestamp

_STYLES = {DriftState.CLEAN: "green", DriftState.DRIFTED: "bold red", DriftState.UNKNOWN: "yellow"}
_CHANGES = {"-": "red", "+": "green", "@": "cyan"}


def show(records: Sequence[DriftRecord], states: Mapping[EnvironmentKey, DriftState]) -> None:
    if not records:
        print("No stage or demo is compared.")
        return
    screen = console()
    rows = [
        (
            record.repository.full_name,
            record.key.name,
            text(states[record.key].value, _STYLES[states[record.key]]),
            format_timestamp(record.checked_at) if record.checked_at is not None else "never",
            summary(record),
        )
        for record in records
    ]
    table(screen, ("repository", "stage", "state", "compared", "result"), rows)
    for record in records:
        _show_findings(screen, record)


def _show_findings(screen: Console, record: DriftRecord) -> None:
    if (
        not record.confirmed
        and not record.unreadable
        and not record.issue_problem
        and record.resources is None
    ):
        return
    screen.print(text(f"\n{record.repository.full_name}:{record.key.name}", "bold"))
    if record.resources is not None:
        screen.print(text(resources_text(record), "dim"), soft_wrap=True)
    for line in diff(record.confirmed):
        screen.print(text(line, _CHANGES.get(line[:1], "")), soft_wrap=True)
    for finding in record.confirmed:
        where = f"{finding.object} {finding.path}".strip()
        screen.print(text(f"{where}: {attribution(finding)}", "dim"), soft_wrap=True)
    for unreadable in record.unreadable:
        screen.print(text(f"not compared: {unreadable_text(unreadable)}", "yellow"), soft_wrap=True)
    if record.issue_problem:
        screen.print(text(f"The issue cannot be written: {record.issue_problem}", "red"), soft_wrap=True)
