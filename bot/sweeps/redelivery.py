"""Requests redelivery of failed deliveries: GitHub does not retry automatically."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.sweeps.ports import DeliveryLog, DeliveryRecords, SweepTelemetry

LOOK_BACK = timedelta(hours=6)
"""Resync has found the effects of older deliveries."""
LARGEST_BATCH = 100
"""Redeliveries per sweep; the next sweep continues."""


async def sweep_failed_deliveries(
    delivery_log: DeliveryLog, deliveries: DeliveryRecords, now: datetime, telemetry: SweepTelemetry
) -> None:
    failed = await delivery_log.failed_deliveries(now - LOOK_BACK)
    recorded = await deliveries.recorded([delivery.guid for delivery in failed])
    missed = [delivery for delivery in failed if delivery.guid not in recorded][:LARGEST_BATCH]
    for delivery in missed:
        await delivery_log.redeliver(delivery)
    telemetry.swept("redelivery", len(missed))
