"""Reports of states that change soon. They give way to other writes on GitHub, and hold up no phase."""

from __future__ import annotations

from datetime import datetime

from bot.environments.context import ReconcileContext
from bot.environments.waiting import RETRY_REPORT
from bot.model.errors import Unavailable


async def report_progress(context: ReconcileContext) -> datetime | None:
    """Returns when to try again if the report was deferred; it then shows the state of that time."""
    try:
        await context.report(deferrable=True)
    except Unavailable as error:
        context.mark_report_due()
        return error.retry_at or context.ports.clock() + RETRY_REPORT
    return None


async def report_if_due(context: ReconcileContext) -> datetime | None:
    return await report_progress(context) if context.attempt.report_due else None
