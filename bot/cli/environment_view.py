"""The account of an environment on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from bot.cli.terminal import grid, plain, text
from bot.environments.views import EnvironmentView, StepState
from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.durations import format_elapsed
from bot.model.environment import CheckState, EnvironmentState, StatusMessage

_STATES = {
    EnvironmentState.READY: "bold green",
    EnvironmentState.FAILED: "bold red",
    EnvironmentState.ASLEEP: "dim",
    EnvironmentState.GONE: "dim",
    EnvironmentState.REFUSED: "dim",
}
_BUSY = "bold yellow"
_STEPS = {StepState.DONE: "green", StepState.FAILED: "bold red", StepState.AHEAD: "dim"}
_CHECKS = {CheckState.PASSED: "green", CheckState.FAILED: "bold red"}


def show_list(stories: Sequence[EnvironmentView]) -> None:
    if not stories:
        print("There is no environment.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("environment", "state", "commit", "address, or why not", "until"):
        table.add_column(column, no_wrap=column != "address, or why not", overflow="fold")
    for story in stories:
        told = story.url or (story.cause.summary if story.cause else story.headline)
        until = _time(story.expires_at) if story.expires_at else ""
        table.add_row(
            Text(plain(story.name), "bold"), _state(story), (story.commit or "")[:7], text(told), until
        )
    Console().print(table)


def show_why(story: EnvironmentView) -> None:
    console = Console()
    _head(console, story)
    _decisions(console, story)


def show_all(story: EnvironmentView, sight: NamespaceDiagnostics) -> None:
    console = Console()
    _head(console, story)
    grid(console, "", [(Text(name, "dim"), text(value)) for name, value in _facts(story)])
    grid(
        console,
        f"Phases, {format_elapsed(story.seconds)} together",
        [
            (
                Text(step.phase, _STEPS.get(step.state, _BUSY)),
                Text(step.state if step.seconds is None else format_elapsed(step.seconds), "dim"),
            )
            for step in story.steps
        ],
    )
    grid(
        console,
        "Checks",
        [
            (
                Text(plain(check.name), "bold"),
                Text(check.state, _CHECKS.get(check.state, _BUSY)),
                text(check.summary),
            )
            for check in story.checks
        ],
    )
    _decisions(console, story)
    show_sight(sight)


def show_sight(sight: NamespaceDiagnostics) -> None:
    console = Console()
    if sight.unavailable:
        console.print(text(sight.unavailable))
    grid(
        console,
        "Events",
        [
            (
                Text(_time(event.at) if event.at else "", "dim"),
                Text(plain(event.reason), _BUSY if event.warning else ""),
                text(f"{event.subject}: {event.message}"),
            )
            for event in sight.events
        ],
    )
    for tail in sight.logs:
        ended = " (its last run)" if tail.previous else ""
        console.print(Text(f"\n{plain(tail.pod)} / {plain(tail.container)}{ended}", "bold"))
        console.print(text(tail.text or "It has said nothing."), soft_wrap=True)


def _head(console: Console, story: EnvironmentView) -> None:
    console.print(Text.assemble((plain(story.name), "bold"), "  ", plain(story.title)))
    console.print(Text.assemble(_state(story), "  ", plain(story.headline)))
    _cause(console, story.cause)
    if story.wait and (story.cause is None or story.wait.summary != story.cause.summary):
        _cause(console, story.wait)
    for note in story.notes:
        console.print(text(note))
    if story.last_error:
        console.print(Text(plain(story.last_error), "red"))


def _cause(console: Console, cause: StatusMessage | None) -> None:
    if cause is None:
        return
    until = f" It gives up at {_time(cause.until)}." if cause.until else ""
    console.print(text(cause.summary + until))
    if cause.detail:
        console.print(Text(plain(cause.detail), "dim"), soft_wrap=True)


def _decisions(console: Console, story: EnvironmentView) -> None:
    rows: list[tuple[RenderableType, ...]] = []
    for decision in story.decisions:
        by = f" (by {decision.by})" if decision.by else ""
        rows.append(
            (
                Text(_time(decision.at), "dim"),
                Text(plain(decision.action), "bold"),
                text(decision.reason + by),
            )
        )
    grid(console, "Decisions, the newest first", rows)


def _facts(story: EnvironmentView) -> list[tuple[str, str]]:
    facts = [
        ("address", story.url or ""),
        ("commit", story.commit or ""),
        ("still runs", story.live_commit if story.live_commit != story.commit and story.live_commit else ""),
        *((f"image {name}", digest) for name, digest in sorted(story.images.items())),
        ("until", _time(story.expires_at) if story.expires_at else ""),
        ("namespace", story.namespace),
        ("key", story.key),
    ]
    return [(name, value) for name, value in facts if value]


def _state(story: EnvironmentView) -> Text:
    return Text(story.state, _STATES.get(story.state, _BUSY))


def _time(moment: datetime) -> str:
    return f"{moment:%d %b %Y, %H:%M:%S} UTC"
