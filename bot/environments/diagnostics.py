"""What is read of a namespace for troubleshooting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from bot.model.diagnostics import NamespaceDiagnostics
from bot.model.environment import EnvironmentKey


class DiagnosticsReader(Protocol):
    async def look(self, namespace: str, environment: EnvironmentKey, lines: int) -> NamespaceDiagnostics:
        """Events and the last `lines` of each log, without injected secrets; errors are in the result."""


def redacted(diagnostics: NamespaceDiagnostics, redact: Callable[[str], str]) -> NamespaceDiagnostics:
    """Hides further values: those of generated Secrets, and of secrets that changed meanwhile."""
    events = tuple(replace(event, message=redact(event.message)) for event in diagnostics.events)
    logs = tuple(replace(tail, text=redact(tail.text)) for tail in diagnostics.logs)
    return replace(diagnostics, events=events, logs=logs)
