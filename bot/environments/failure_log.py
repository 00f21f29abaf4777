"""Keeps the events and logs of a failed attempt, so that they outlive its namespace."""

from __future__ import annotations

import asyncio

from bot.environments.context import ReconcileContext
from bot.environments.diagnostics import redacted
from bot.model.environment import Phase

_LINES = 60
"""Last lines of each log."""


async def keep_failure(context: ReconcileContext) -> None:
    """Adds events and logs to the next save, without secrets, unless the repository disables it."""
    reader, configuration = context.ports.diagnostics, context.configuration
    if reader is None or configuration is None or not configuration.keep_failure_logs:
        return
    if Phase.NAMESPACE not in context.status.phases:
        return
    diagnostics = await reader.look(context.namespace, context.environment.key, _LINES)
    if not diagnostics.unavailable:
        context.failure = await asyncio.to_thread(redacted, diagnostics, context.secrets.hide)
