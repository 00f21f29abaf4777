"""Environments on the terminal. All times are UTC."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bot.cli.terminal import console, grid, plain, table, text
from bot.environments.views import EnvironmentView, StepState
from bot.github.messages.actions import decision_action
from bot.github.messages.environment_reasons import headline, last_error
from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.durations import format_elapsed
from bot.model.environment import CheckState, EnvironmentState, StatusMessage
from bot.model.times import format_timestamp

_STATES = {
    EnvironmentState.READY: "bold green",
    EnvironmentState.CHECKS_FAILED: "bold red",
    EnvironmentState.FAILED: "bold red",
    EnvironmentState.ASLEEP: "dim",
    EnvironmentState.GONE: "dim",
    EnvironmentState.REFUSED: "dim",
}
_BUSY = "bold yellow"
_STEPS = {StepState.DONE: "green", StepState.FAILED: "bold red", StepState.AHEAD: "dim"}
_CHECKS = {CheckState.PASSED: "green", CheckState.FAILED: "bold red"}


def show_list(views: Sequence[EnvironmentView]) -> None:
    if not views:
        print("No environments.")
        return
    rows = []
    for view in views:
        detail = " ".join(filter(None, (view.url, view.cause.summary if view.cause else ""))) or headline(
            view
        )
        expires = format_timestamp(view.expires_at) if view.expires_at else ""
        rows.append((text(view.name, "bold"), _state(view), (view.commit or "")[:7], expires, detail))
    table(console(), ("environment", "state", "commit", "expires", "URL or reason"), rows)


def show_reasons(view: EnvironmentView) -> None:
    screen = console()
    _summary(screen, view)
    _decisions(screen, view)


def show_all(view: EnvironmentView, diagnostics: NamespaceDiagnostics) -> None:
    screen = console()
    _summary(screen, view)
    grid(screen, "", [(Text(name, "dim"), text(value)) for name, value in _facts(view) if value])
    steps = [
        (
            Text(step.phase, _STEPS.get(step.state, _BUSY)),
            Text(step.state if step.seconds is None else format_elapsed(step.seconds), "dim"),
        )
        for step in view.steps
    ]
    grid(screen, f"Phases, {format_elapsed(view.seconds)} total", steps)
    checks = [
        (text(check.name, "bold"), Text(check.state, _CHECKS.get(check.state, _BUSY)), text(check.summary))
        for check in view.checks
    ]
    grid(screen, "Checks", checks)
    _decisions(screen, view)
    show_diagnostics(diagnostics)


def show_diagnostics(diagnostics: NamespaceDiagnostics) -> None:
    screen = console()
    if diagnostics.unavailable:
        screen.print(text(diagnostics.unavailable))
    events = [
        (
            Text(format_timestamp(event.at) if event.at else "", "dim"),
            text(event.reason, _BUSY if event.warning else ""),
            text(f"{event.subject}: {event.message}"),
        )
        for event in diagnostics.events
    ]
    grid(screen, "Events", events)
    for log in diagnostics.logs:
        suffix = " (previous run)" if log.previous else ""
        screen.print(text(f"\n{log.pod} / {log.container}{suffix}", "bold"))
        screen.print(text(log.text or "No logs."), soft_wrap=True)


def _summary(screen: Console, view: EnvironmentView) -> None:
    screen.print(Text.assemble((plain(view.name), "bold"), "  ", plain(view.title)))
    screen.print(Text.assemble(_state(view), "  ", plain(headline(view))))
    _message(screen, view.cause)
    if view.wait and (view.cause is None or view.wait.summary != view.cause.summary):
        _message(screen, view.wait)
    for note in view.notes:
        screen.print(text(note))
    if error := last_error(view.scheduled):
        screen.print(text(error, "red"))


def _message(screen: Console, message: StatusMessage | None) -> None:
    if message is None:
        return
    deadline = f" Times out at {format_timestamp(message.until)}." if message.until else ""
    screen.print(text(message.summary + deadline))
    if message.detail:
        screen.print(text(message.detail, "dim"), soft_wrap=True)


def _decisions(screen: Console, view: EnvironmentView) -> None:
    rows: list[tuple[Text, ...]] = []
    for decision in view.decisions:
        by = f" (by {decision.by})" if decision.by else ""
        time, action = format_timestamp(decision.at), text(decision_action(decision.action), "bold")
        rows.append((Text(time, "dim"), action, text(decision.reason + by)))
    grid(screen, "Decisions, newest first", rows)


def _facts(view: EnvironmentView) -> list[tuple[str, str]]:
    """Names and values; values may be empty."""
    serving = view.live_commit if view.live_commit != view.commit else None
    return [
        ("URL", view.url or ""),
        *((f"URL of {name}", url) for name, url in view.addresses.items()),
        ("commit", view.commit or ""),
        ("still serving", serving or ""),
        *((f"image {name}", digest) for name, digest in sorted(view.images.items())),
        ("expires", format_timestamp(view.expires_at) if view.expires_at else ""),
        ("cluster", view.cluster),
        ("namespace", view.namespace),
        ("key", view.key),
    ]


def _state(view: EnvironmentView) -> Text:
    return Text(view.state, _STATES.get(view.state, _BUSY))
