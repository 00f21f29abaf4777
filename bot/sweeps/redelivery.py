"""Asks GitHub to send again what it could not deliver: GitHub does not do so by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.sweeps.ports import DeliveryLog, DeliveryRecords
from bot.sweeps.telemetry import SweepTelemetry

LOOK_BACK = timedelta(hours=6)
"""GitHub keeps deliveries for days; what is older than this was found by resync long ago."""
MOST = 100
"""Asked for again in one sweep; the rest waits for the next."""


async def sweep_failed_deliveries(
    delivery_log: DeliveryLog, deliveries: DeliveryRecords, now: datetime, telemetry: SweepTelemetry
) -> None:
    failed = await delivery_log.failed_deliveries(now - LOOK_BACK)
    known = await deliveries.recorded([delivery.guid for delivery in failed])
    missed = [delivery for delivery in failed if delivery.guid not in known][:MOST]
    for delivery in missed:
        await delivery_log.redeliver(delivery)
    telemetry.swept("redelivery", len(missed))
