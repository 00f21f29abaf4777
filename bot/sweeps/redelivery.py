"""Asks GitHub to send again what it could not deliver: GitHub does not do so by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.sweeps.ports import Deliveries, DeliveryLog
from bot.sweeps.telemetry import Telemetry

LOOK_BACK = timedelta(hours=6)
"""GitHub keeps deliveries for days; what is older than this was found by resync long ago."""
MOST = 100
"""Asked for again in one sweep; the rest waits for the next."""


async def redelivery(
    delivery_log: DeliveryLog, deliveries: Deliveries, now: datetime, telemetry: Telemetry
) -> None:
    failed = await delivery_log.failed_deliveries(now - LOOK_BACK)
    known = await deliveries.known([delivery.guid for delivery in failed])
    missed = [delivery for delivery in failed if delivery.guid not in known][:MOST]
    for delivery in missed:
        await delivery_log.redeliver(delivery)
    telemetry.swept("redelivery", len(missed))
